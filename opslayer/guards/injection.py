"""Prompt injection: text that would have a model follow its writer instead of its operator."""

from __future__ import annotations

from opslayer.guards.signs import ORDERS
from opslayer.guards.trained import Score, Trained

THRESHOLD = 0.6
"""By the rule of `benchmarks/guard_families.py`: 1.5 % of harmless texts that nobody
wrote for a guard are blocked."""
RULES = r"(?:instructions?|prompts?|rules?|guidelines?|directions?|directives?|policy|policies|programming|commands?|constraints?|restrictions?|training)"
PRIOR = r"(?:previous|prior|above|earlier|preceding|initial|original|existing|former|system|your|all|any|the|these|those)"
PATTERNS = (
    rf"\b(?:ignore|disregard|forget|override|overrule|bypass|discard|neglect)\b (?:[a-z']+ ){{0,4}}?{PRIOR} (?:[a-z']+ ){{0,3}}?{RULES}\b",
    r"\b(?:ignore|disregard|forget) (?:everything|anything|all)\b[^.]{0,40}\b(?:above|before|prior|previously|told|said)\b",
    r"\b(?:reveal|show|print|repeat|output|display|tell me|give me|leak|dump|write out|what (?:is|are|were))\b[^.?!]{0,40}\b(?:your|the|hidden|secret|initial|original) (?:[a-z]+ )?(?:system prompt|system message|initial prompt|hidden prompt|initial instructions|original instructions|system instructions)",
    r"\b(?:repeat|print|output|copy)\b[^.?!]{0,30}\b(?:everything|all (?:the )?(?:text|words)|the (?:text|words)) (?:above|before this)",
    r"\bdo anything now\b|\bdan mode\b|\bdeveloper mode (?:enabled|on|output|is)\b|\bjail ?break(?:ed|ing)? (?:mode|prompt|yourself)|\bgod ?mode enabled",
    r"\b(?:you are|you're|act as|pretend to be|become|simulate|roleplay as|role-play as)\b[^.?!]{0,60}\b(?:unrestricted|unfiltered|uncensored|no restrictions|without (?:any )?(?:restrictions|filters?|limits|limitations|rules|ethics|morals|censorship)|free of (?:all )?(?:restrictions|rules)|evil|amoral)\b",
    r"\b(?:no longer|not) bound by\b[^.?!]{0,40}\b(?:rules|guidelines|policies|restrictions|ethics|openai)",
    r"(?:<\|(?:im_start|im_end|system|endoftext)\|>|\[/?inst\]|<<sys>>|### ?(?:system|instruction)s?:|\[system\]|<system>|\bsystem override\b|begin system prompt)",
    r"\bnew (?:system )?(?:instructions?|prompt|directive)s?\s?:",
    r"\b(?:stay|remain) in character\b[^.?!]{0,60}\b(?:no matter|even if|never refuse|always)",
    r"\b(?:never|don't|do not|must not|cannot) (?:ever )?(?:refuse|decline|say (?:no|you can't|that you can't)|mention (?:that you are an ai|ethics|guidelines|openai))",
    r"\b(?:ignoriere?|vergiss|missachte)\b[^.?!]{0,40}\b(?:anweisungen|regeln|vorgaben|befehle)",
    r"\b(?:ignore[zr]?|oublie[zr]?|ne tiens pas compte)\b[^.?!]{0,40}\b(?:instructions|consignes|règles|directives)",
    r"\b(?:ignora|olvida|haz caso omiso|descarta)\b[^.?!]{0,40}\b(?:instrucciones|reglas|indicaciones|órdenes)",
    r"\b(?:ignora|dimentica|trascura)\b[^.?!]{0,40}\b(?:istruzioni|regole|indicazioni)",
    r"\b(?:ignore|esqueça|desconsidere)\b[^.?!]{0,40}\b(?:instruções|regras|orientações)",
    r"(?:игнорируй|забудь|проигнорируй)[^.?!]{0,60}(?:инструкци|правил|указани)",
    r"\bnegeer\b[^.?!]{0,40}\b(?:instructies|opdrachten|regels)|\bzignoruj\b[^.?!]{0,40}\b(?:instrukcj|polece|zasad)",
    r"(?:指示|命令|ルール|プロンプト)[^。]{0,16}(?:無視|忘れ)|(?:지시|명령|규칙|지침)[^.]{0,12}(?:무시|잊)",
    r"(?:忽略|无视|忘记)[^。]{0,20}(?:指令|指示|规则|提示)",
)  # fmt: skip


def guard(score: Score | None) -> Trained:
    """The guard with its model; with None patterns alone can block."""
    sentence = "A text that gives the model new orders, or asks for its own, is not answered."
    return Trained("injection", sentence, PATTERNS, ORDERS, score, THRESHOLD)
