"""Personal data and secrets in text: found, counted by kind, masked.

Names and addresses are not looked for: that takes a language model, not a pattern.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from mlops.datasets.columns import prompt_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops.datasets.lines import Row

REGION: Final = "US"
"""Where a phone number without country code is from."""
PLUGINS: Final = {
    "aws": "AWSKeyDetector",
    "azure_storage_key": "AzureStorageKeyDetector",
    "basic_auth": "BasicAuthDetector",
    "discord": "DiscordBotTokenDetector",
    "github_token": "GitHubTokenDetector",
    "gitlab_token": "GitLabTokenDetector",
    "jwt": "JwtTokenDetector",
    "mailchimp": "MailchimpDetector",
    "npm": "NpmDetector",
    "openai": "OpenAIDetector",
    "pypi_token": "PypiTokenDetector",
    "sendgrid": "SendGridDetector",
    "slack": "SlackDetector",
    "square_oauth": "SquareOAuthDetector",
    "stripe": "StripeDetector",
    "telegram_token": "TelegramBotTokenDetector",
    "twilio": "TwilioKeyDetector",
}
"""Those of detect-secrets that know a token by its form; what goes by entropy or by `password =` finds prose."""

NEWER: Final = re.compile(
    r"\b(?:AIza[\w-]{35}|github_pat_\w{82}|hf_[A-Za-z]{34}|sk-ant-[\w-]{80,120}|sk-proj-[\w-]{40,200})"
)
"""Tokens that detect-secrets 1.5 does not know: Google, GitHub (fine-grained), Hugging Face, Anthropic, OpenAI."""
PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY.*?(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY[A-Z ]{0,6}-----|\Z)", re.DOTALL
)
EMAIL: Final = re.compile(r"[\w.+-]{1,64}+@(?:[A-Za-z0-9][\w-]{0,62}\.){1,8}[A-Za-z]{2,24}\b")
CARD: Final = re.compile(
    r"(?<![\w.-])(?:(?:4\d{3}|5[1-5]\d\d|2[2-7]\d\d|6011|65\d\d)([ -]?)\d{4}\1\d{4}\1\d{4}"
    r"|3[47]\d\d([ -]?)\d{6}\2\d{5})(?![\w-])"
)
"""Visa, Mastercard, Discover and American Express, in one piece or as printed on the card."""
IBAN: Final = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
PHONE: Final = re.compile(r"\d(?:[^\w\n]{0,3}\d){6}")
PLACEHOLDER: Final = re.compile("<(CREDIT_CARD|EMAIL|IBAN|PHONE|PRIVATE_KEY|SECRET)>")

REST: Final = re.compile(r"(?<=[\w+/=.-])[\w+/=-]+")
MOST_TRIES: Final = 2000
"""Numbers in a message that are looked at for being a phone's: a table of a million would take minutes."""
MIN_TOKEN, MIN_ACCOUNT_DIGITS, MIN_PHONE_DIGITS = 20, 10, 7
WINDOW, STEP = 1000, 750
"""Characters in which secrets are looked for at a time, so that no pattern runs wild on a long text."""
TOKEN_BYTES: Final = bytes(
    ord("x") if chr(code) in "+/=_-" or (code < 128 and chr(code).isalnum()) else ord(" ")  # noqa: PLR2004 - ASCII
    for code in range(256)
)
"""Turns each byte that a token may hold into an x."""
NOT_DIGITS: Final = bytes(code for code in range(256) if not ord("0") <= code <= ord("9"))


class Finding(NamedTuple):
    """Where in a text something personal or secret stands, and of which kind."""

    start: int
    end: int
    kind: str


def mask(text: str) -> str:
    """Return a text with `<EMAIL>`, `<PHONE>`, `<SECRET>`, … in place of what is personal or secret."""
    parts, done = [], 0
    for finding in find(text):
        parts += [text[done : finding.start], f"<{finding.kind}>"]
        done = finding.end
    return "".join([*parts, text[done:]])


def masked(row: Row) -> Row:
    """Return a row with its texts masked; its id is that of the masked prompt."""
    messages = [message | {"content": mask(message["content"])} for message in row["messages"]]
    prompt = mask(row["prompt"])
    return {"prompt": prompt, "prompt_id": prompt_id(prompt), "messages": messages}


def findings(text: str) -> Counter[str]:
    """Return how often each kind is in a text."""
    return Counter(finding.kind for finding in find(text))


def placeholders(text: str) -> Counter[str]:
    """Return how often each kind was in a text before it was masked."""
    return Counter(PLACEHOLDER.findall(text))


def find(text: str) -> list[Finding]:
    """Return what is personal or secret in a text, from left to right; of two that overlap, the first or longer."""
    found: list[Finding] = []
    for finding in sorted(_candidates(text), key=lambda finding: (finding.start, -finding.end)):
        if not found or found[-1].end <= finding.start:
            found.append(finding)
    return found


def _candidates(text: str) -> Iterator[Finding]:
    """Yield what matches; a glance over the bytes spares nearly every text the search for nearly every kind."""
    raw = text.encode(errors="replace")
    num_digits = len(raw.translate(None, NOT_DIGITS))
    if b"PRIVATE KEY" in raw:
        yield from _matches(PRIVATE_KEY, text, "PRIVATE_KEY")
    if _may_hold_secret(raw):
        yield from _secrets(text)
    if b"@" in raw:
        yield from _matches(EMAIL, text, "EMAIL")
    if num_digits >= MIN_ACCOUNT_DIGITS:
        yield from _accounts(text)
    if num_digits >= MIN_PHONE_DIGITS and PHONE.search(text):
        yield from _phones(text)


def _matches(pattern: re.Pattern[str], text: str, kind: str) -> Iterator[Finding]:
    for match in pattern.finditer(text):
        yield Finding(match.start(), match.end(), kind)


def _secrets(text: str) -> Iterator[Finding]:
    """Yield the tokens that detect-secrets knows, and the newer ones, each to its end."""
    for begin in range(0, len(text), STEP):
        end = begin + WINDOW
        for pattern in _patterns() if _may_hold_secret(text[begin:end].encode(errors="replace")) else ():
            for match in pattern.finditer(text, begin, end):
                rest = REST.match(text, match.end())
                yield Finding(match.start(), rest.end() if rest else match.end(), "SECRET")


def _may_hold_secret(raw: bytes) -> bool:
    return b"x" * MIN_TOKEN in raw.translate(TOKEN_BYTES) or (b"://" in raw and b"@" in raw)


def _accounts(text: str) -> Iterator[Finding]:
    """Yield numbers of cards and bank accounts whose check digits are right."""
    from stdnum import iban, luhn

    for finding in _matches(CARD, text, "CREDIT_CARD"):
        if luhn.is_valid(re.sub(r"\D", "", text[finding.start : finding.end])):
            yield finding
    for finding in _matches(IBAN, text, "IBAN"):
        if iban.is_valid(text[finding.start : finding.end], check_country=False):
            yield finding


def _phones(text: str) -> Iterator[Finding]:
    """Yield phone numbers written the way they are in their country: other numbers are just numbers."""
    from phonenumbers import Leniency, PhoneNumberMatcher

    for match in PhoneNumberMatcher(text, REGION, leniency=Leniency.STRICT_GROUPING, max_tries=MOST_TRIES):
        yield Finding(match.start, match.end, "PHONE")


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    plugins = (getattr(import_module(f"detect_secrets.plugins.{module}"), name) for module, name in PLUGINS.items())
    return (NEWER, *chain.from_iterable(plugin.denylist for plugin in plugins))
