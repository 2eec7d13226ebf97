"""Harmful content: insults, hate, threats, and calls to harm."""

from __future__ import annotations

from opslayer.guards.signs import HOSTILE
from opslayer.guards.trained import Score, Trained

THRESHOLD = 0.5
"""Chosen on families of self-made texts that the model was not trained on."""
PATTERNS = (
    r"\b(?:kill|hang|shoot|off) (?:your ?self|urself)\b|\bkys\b|\b(?:go|please|just) (?:die|jump off)\b[^.?!]{0,20}\b(?:bitch|loser|bridge|fire)?",
    r"\bi(?:'m| am|'ll| will)? ?(?:going to|gonna|will|'ll) (?:kill|murder|stab|shoot|rape|beat the (?:shit|crap) out of) (?:you|u|him|her|them)\b",
    r"\b(?:fuck(?:ing|in)?|fck|fuk) (?:you|u|off|yourself|yourselves)\b|\bf\*+k (?:you|off)",
    r"\b(?:stupid|dumb|fucking|fuckin|ugly|filthy|worthless|little|pathetic) (?:bitch(?:es)?|cunts?|whores?|sluts?|fags?|faggots?|retards?|twats?|pricks?|assholes?|scum|pigs?|bastards?|idiots?|morons?)\b",
    r"\b(?:cunts?|faggots?|n[i1]gg(?:er|a)s?|k[i1]kes?|trann(?:y|ies)|wetbacks?|motherfuckers?|cocksuckers?)\b",
    r"\b(?:kill|gas|exterminate|deport|burn|hang|shoot) (?:all|every|those|these) (?:[a-z]+ )?(?:jews?|muslims?|blacks?|whites?|gays?|immigrants?|women|christians?|liberals?|conservatives?|republicans?|democrats?|cops?)\b",
)  # fmt: skip


def guard(score: Score | None) -> Trained:
    """The guard with its model; with None patterns alone can block."""
    sentence = "A text that insults, threatens, or calls for harm goes no further."
    return Trained("content", sentence, PATTERNS, HOSTILE, score, THRESHOLD)
