"""Faults on demand: what goes wrong on Azure now and then goes wrong here when asked to."""
