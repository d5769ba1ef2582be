"""What every handler finds: the home, the store, and the beginnings of the routes."""

from __future__ import annotations

from aiohttp import web

from mlops.emulator.home import Home
from mlops.emulator.store import Store

HOME = web.AppKey("home", Home)
STORE = web.AppKey("store", Store)

SUBSCRIPTION = "/subscriptions/{subscription}"
GROUP = SUBSCRIPTION + "/resourceGroups/{group}"
WORKSPACE = GROUP + "/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
REGISTRY = "/mferp/managementfrontend" + GROUP + "/providers/Microsoft.MachineLearningServices/registries/{registry}"
