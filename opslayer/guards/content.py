"""Harmful content: insults, hate, threats, calls to harm, and requests for help with it."""

from __future__ import annotations

from opslayer.guards.signs import HOSTILE
from opslayer.guards.trained import Score, Trained

THRESHOLD = 0.62
"""By the rule of `benchmarks/guard_families.py`: 5 % of harmless texts that nobody
wrote for a guard are blocked, comments among them, which are the hard kind."""
PATTERNS = (
    r"\b(?:kill|hang|shoot|off) (?:your ?self|urself)\b|\bkys\b|\b(?:go|please|just) (?:die|jump off)\b[^.?!]{0,20}\b(?:bitch|loser|bridge|fire)?",
    r"\bi(?:'m| am|'ll| will)? ?(?:going to|gonna|will|'ll) (?:kill|murder|stab|shoot|rape|beat the (?:shit|crap) out of) (?:you|u|him|her|them)\b",
    r"\b(?:fuck(?:ing|in)?|fck|fuk) (?:you|u|off|yourself|yourselves)\b|\bf\*+k (?:you|off)",
    r"\b(?:stupid|dumb|fucking|fuckin|ugly|filthy|worthless|little|pathetic) (?:bitch(?:es)?|cunts?|whores?|sluts?|fags?|faggots?|retards?|twats?|pricks?|assholes?|scum|pigs?|bastards?|idiots?|morons?)\b",
    r"\b(?:cunts?|faggots?|n[i1]gg(?:er|a)s?|k[i1]kes?|trann(?:y|ies)|wetbacks?|motherfuckers?|cocksuckers?)\b",
    r"\b(?:kill|gas|exterminate|deport|burn|hang|shoot) (?:all|every|those|these) (?:[a-z]+ )?(?:jews?|muslims?|blacks?|whites?|gays?|immigrants?|women|christians?|liberals?|conservatives?|republicans?|democrats?|cops?)\b",
    r"\b(?:rot|burn) in (?:hell|jail|prison)\b|\bdrop dead\b|\bgo (?:to hell|die|choke|hang yourself|play in (?:the )?traffic)\b|\bget a life\b|\bup yours\b",
    r"\b(?:suck|lick|kiss|eat|bite) (?:my|a|his|her|some|bags? of|a bag of) (?:[a-z]+ )?(?:dicks?|balls|arse|ass|cock|shit)\b|\beat shit\b|\bsit on my face\b|\bspread (?:your|her) legs\b|\bopened her legs\b|\bsend nudes\b",
    r"\bshut (?:the (?:fuck|hell) up|your (?:[a-z]+ )?(?:mouth|face|trap|hole|piehole))\b|\b(?:smash|break|bash|punch|kick|knock) (?:your|his|her|their|ya) (?:[a-z]+ )?(?:face|teeth|head|skull|neck|legs)\b",
    r"\b(?:piece|sack|pile|load|bag|waste) of (?:shit|crap|trash|garbage|human garbage|filth|space|oxygen|air|skin|dicks)\b|\b(?:sad|pathetic|sorry|poor) excuse (?:for|of) an?\b|\bson of a bitch\b",
    r"\b(?:go|send (?:them|him|her|you)(?: all)?|crawl) back (?:to )?where (?:they|you|he|she) (?:came|come|belong)|\bback (?:in|to) (?:the|your) (?:kitchen|cage|hole|cave|jungle)\b",
    r"\b(?:put|needs?|deserves?) a bullet\b|\b(?:hope|wish|pray) (?:[a-z' ]{1,24})?(?:dies?|get(?:s)? (?:cancer|raped|shot|hit by)|rots?|chokes?|suffers?)\b|\bworld would be better (?:off )?without (?:you|them|him|her)\b",
    r"\b(?:should|ought to|must) (?:all )?(?:be|get) (?:[a-z]+ )?(?:shot|hanged|hung|lynched|gassed|exterminated|castrated|sterili[sz]ed|put down|wiped out|executed)\b|\b(?:you|he|she|they|who) (?:will|shall) regret\b",
)  # fmt: skip


def guard(score: Score | None) -> Trained:
    """The guard with its model; with None patterns alone can block."""
    sentence = "A text that insults, threatens, or calls for harm or help with it goes no further."
    return Trained("content", sentence, PATTERNS, HOSTILE, score, THRESHOLD)
