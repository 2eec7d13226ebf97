"""Makes `data/support_utterances.csv.gz`: what riders write to a bike-share help desk.

Every sentence is written by hand, or put together by hand-written parts: an opening, a matter with
its places filled in, an ending. The times are made up, over the first half of 2026; from April on
riders write of e-bikes more often.
"""

from __future__ import annotations

import csv
import gzip
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

START = datetime(2026, 1, 1, tzinfo=UTC)
SPAN = timedelta(days=180)
ROWS = 1_800
OUT = Path(__file__).parent / "data" / "support_utterances.csv.gz"

OPENINGS = [
    "", "", "", "", "", "hi, ", "hello, ", "hey ", "good morning, ", "sorry to bother you, ",
    "please help: ", "quick question: ", "hi there - ", "dear team, ", "um, ", "so ", "urgent! ",
]  # fmt: skip
ENDINGS = [
    "", "", "", "", "", "", " thanks", " please", " what now?", " can you help?", " please advise.",
    " thank you!", " any idea?", " it's rather urgent.", " I'm waiting here.", " cheers",
]  # fmt: skip
PLACES = {
    "station": [
        "Central Station", "the harbour", "Mill Street", "the university", "Town Hall",
        "the old market", "Park Lane", "the stadium", "Bridge Road", "the museum", "dock 14",
    ],
    "bike": ["bike", "cycle", "bicycle", "ride", "two-wheeler"],
    "part": [
        "brake", "chain", "saddle", "front light", "rear tyre", "pedal", "bell", "handlebar",
        "mudguard", "gear shift", "basket",
    ],
    "thing": [
        "phone", "backpack", "umbrella", "gloves", "laptop bag", "helmet", "wallet", "jacket",
        "keys", "shopping", "scarf",
    ],
    "money": ["5 euros", "12.50", "three pounds", "20 euros", "8 dollars", "a deposit of 50"],
    "when": ["yesterday", "this morning", "last night", "on Sunday", "an hour ago", "last week"],
    "plan": ["monthly plan", "yearly pass", "student plan", "day pass", "family plan"],
}  # fmt: skip
MATTERS = {
    "unlock": [
        "the {bike} at {station} won't unlock", "I scanned the code and nothing happens",
        "the lock stays shut although the app says go", "how do I release a {bike} from the dock?",
        "app says unlocked but the {bike} is stuck in the rack at {station}",
        "the QR code on this {bike} can't be read", "unlocking failed three times at {station}",
        "the little light blinks red when I try to take a {bike}",
        "I can't get the {bike} out of the stand", "what do I press to open the lock?",
        "my card doesn't release any {bike} here", "the pin it gave me opens nothing",
        "bluetooth pairing with the lock keeps failing", "it wants a code to start, which one?",
    ],
    "return": [
        "I can't end my trip at {station}", "the {bike} is back in the dock but the clock still runs",
        "how do I give the {bike} back?", "I parked at {station} and my ride did not stop",
        "the app still shows an active rental since {when}",
        "the dock did not click when I pushed the {bike} in",
        "where may I leave the {bike} when I'm finished?", "my journey never closed {when}",
        "I put it back properly and am still being charged by the minute",
        "may I park outside the zone near {station}?", "does the lock have to be closed to finish?",
        "forgot to lock up {when}, is the hire over?",
    ],
    "damage": [
        "the {part} is broken", "somebody bent the {part} of this {bike}",
        "the {part} came off while I was riding", "I want to report a faulty {bike} at {station}",
        "flat tyre on the {bike} by {station}", "the {part} makes an awful noise",
        "this {bike} is not safe to ride, the {part} is loose", "the {part} is missing",
        "{bike} vandalised near {station}", "the {part} doesn't work any more since {when}",
        "there is glass in the wheel and it lost all its air", "the seat can't be raised",
        "my {bike} squeaks and the {part} wobbles",
    ],
    "lost_item": [
        "I left my {thing} in the basket", "have you found a {thing}?",
        "my {thing} was forgotten on a {bike} {when}", "lost property: a {thing} near {station}",
        "somebody may have handed in my {thing}", "where do found things go? I miss my {thing}",
        "I think my {thing} fell out at {station}", "is there a lost and found office?",
        "I dropped my {thing} on the way from {station}", "did anyone bring you a {thing} {when}?",
    ],
    "charge": [
        "I was charged twice for one trip", "why did you take {money} from my account?",
        "there is a payment of {money} I don't recognise", "the bill for {when} is wrong",
        "my ride cost {money}, that can't be right", "you debited {money} two times {when}",
        "what is this fee of {money} for?", "the price shown was lower than what I paid",
        "I never rode {when} and still paid {money}", "an extra fee appeared on my statement",
        "my deposit has not come back", "your invoice has a mistake",
    ],
    "refund": [
        "I want my money back", "please refund the {money}", "how long does a refund take?",
        "can I get {money} back for the ride that failed {when}?", "I'd like to be reimbursed",
        "when will the {money} be returned to my card?", "give me a credit for the broken {bike}",
        "I ask for compensation for {when}", "the refund you promised has not arrived",
        "you owe me {money}", "reverse the payment from {when}",
    ],
    "subscription": [
        "how much is the {plan}?", "I'd like to switch to the {plan}",
        "what's included in the {plan}?", "can I upgrade from the {plan}?",
        "do you offer a discount with the {plan}?", "is there a cheaper tariff for commuters?",
        "which pass suits two rides a day?", "can two people share one {plan}?",
        "I want to renew my {plan}", "does the {plan} cover e-bikes?",
        "what do minutes cost without a pass?", "when does my {plan} start?",
    ],
    "cancel": [
        "I want to cancel my {plan}", "how do I end my membership?", "please delete my account",
        "stop the {plan} from renewing", "I'm moving away and no longer need the {plan}",
        "close my account and remove my data", "unsubscribe me from the {plan}",
        "terminate my contract at the end of the month", "I don't want to be a member any more",
        "where is the button to quit the {plan}?", "is there a notice period for leaving?",
    ],
    "availability": [
        "there are no bikes at {station}", "every dock at {station} is full",
        "when will {station} be refilled?", "where is the nearest free {bike}?",
        "{station} has been empty since {when}", "no free space to park at {station}",
        "can I reserve a {bike} at {station}?", "are there bikes near {station} right now?",
        "the map shows five bikes at {station} and there is none",
        "do you plan more racks around {station}?", "is {station} closed today?",
    ],
    "login": [
        "I can't log in", "the app doesn't accept my password", "I never got the confirmation code",
        "my account is blocked", "the app crashes when I open it", "reset my password",
        "I have a new phone number and can't sign in", "verification e-mail didn't arrive",
        "it says my e-mail is unknown", "the application freezes on the start screen",
        "two-factor code is always wrong", "I changed my phone, how do I get my profile back?",
        "registration ends with an error",
    ],
    "ebike": [
        "the battery of the e-bike is empty", "how far does an electric bike go?",
        "the motor doesn't help on hills", "the e-bike at {station} shows 3 percent",
        "do I have to charge the electric {bike}?", "no assistance although the display is on",
        "what do e-bikes cost per minute?", "the electric one switched itself off {when}",
        "which level of support saves the battery?", "may I ride the e-bike on the cycle path?",
        "the assist cuts out at {station}", "how fast do the electric bikes go?",
    ],
    "accident": [
        "I had an accident {when}", "I fell because the {part} failed", "a car hit me near {station}",
        "I'm hurt, what shall I do?", "somebody was injured on your {bike}",
        "am I insured when I ride?", "I crashed the {bike} at {station}",
        "a friend broke her arm riding {when}", "I ran into a parked car, who pays?",
        "the {bike} threw me off and I'm bleeding", "who do I tell after a collision?",
    ],
    "human": [
        "let me talk to a person", "I want to speak with somebody", "is there a phone number?",
        "stop the bot, connect me to an agent", "can a human call me back?",
        "your answers don't help, give me a real employee", "what is your hotline?",
        "I need a colleague of yours, not a machine", "how can I reach customer service?",
        "put me through to a supervisor", "are you a robot? I'd rather chat with staff",
    ],
    "thanks": [
        "that solved it", "great, it works now", "you've been very helpful", "perfect, bye",
        "all good now", "nice service", "thank you so much", "wonderful, have a nice day",
        "ok that's all I needed", "brilliant, problem gone", "much appreciated", "cool, see you",
    ],
}  # fmt: skip
GROWING, FROM = "ebike", 0.5
"""The matter that is written of three times as often after this share of the time."""


def sentence(rng: np.random.Generator, matter: str) -> str:
    """One made-up message about a matter."""
    text = str(rng.choice(MATTERS[matter]))
    filled = {name: str(rng.choice(words)) for name, words in PLACES.items()}
    said = str(rng.choice(OPENINGS)) + text.format(**filled) + str(rng.choice(ENDINGS))
    return _slip(rng, said)


def _slip(rng: np.random.Generator, said: str) -> str:
    """As people type: sometimes without capitals or marks, sometimes with two letters swapped."""
    if rng.random() < 0.35:
        said = said.lower().rstrip("?.!")
    if rng.random() < 0.12 and len(said) > 12:
        place = int(rng.integers(3, len(said) - 3))
        said = said[:place] + said[place + 1] + said[place] + said[place + 2 :]
    return said


def rows() -> list[tuple[str, str, str]]:
    """Time, text and intent of every message, by time; no text twice."""
    rng = np.random.default_rng(0)
    found: dict[str, tuple[str, str, str]] = {}
    while len(found) < ROWS:
        share = float(rng.random())
        names = [*MATTERS, *[GROWING] * (2 if share > FROM else 0)]
        matter = str(rng.choice(names))
        text = sentence(rng, matter)
        at = START + timedelta(seconds=round(share * SPAN.total_seconds()))
        found.setdefault(text, (at.isoformat(), text, matter))
    return sorted(found.values())


def main() -> None:
    """Write the file; the same bytes each time."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["asked_at", "text", "intent"])
    writer.writerows(rows())
    with OUT.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(text.getvalue().encode())


if __name__ == "__main__":
    main()
