"""Propose templates in place of one whose answers were disliked."""

from __future__ import annotations

from opslayer.capability import Capability
from opslayer.steps.converse import Messages, converse
from opslayer.steps.rated import Case
from opslayer.template import places

SHOWN = 10
"""Badly rated answers that whoever proposes gets to see."""
LONGEST = 2_000
"""Characters of a message that is shown."""
PROPOSE = """\
You improve the instructions that stand before conversations with an assistant. Below are the
instructions and conversations whose answers people disliked, some with what should have been said.
Write better instructions: complete, in the same language, not longer than needed, and with every
place in double braces exactly as it is. Answer with the new instructions alone."""


def propose(capability: Capability, case: Case) -> list[str]:
    """Templates to try instead: the file's other ones, then what the configured pool writes.

    Each has the places of the template that serves, and differs from it and the others.
    """
    found = [one.template for one in capability.prompts]
    rules = capability.improve
    if rules.pool is not None and rules.proposals:
        asked: Messages = [
            {"role": "system", "content": PROPOSE},
            {"role": "user", "content": _told(case)},
        ]
        replies = converse(capability, rules.pool, [asked] * rules.proposals)
        found += [reply.strip() for reply in replies if reply is not None]
    wanted = set(places(case.template))
    fitting = [one for one in found if set(places(one)) == wanted and one != case.template]
    return list(dict.fromkeys(fitting))


def _told(case: Case) -> str:
    """The instructions and what was disliked, for whoever proposes."""
    parts = [f"Instructions:\n{case.template}"]
    for one in case.disliked[:SHOWN]:
        talk = "\n".join(
            f"{said['role']}: {str(said['content'])[:LONGEST]}" for said in one.messages
        )
        wanted = f"\nIt should have been: {one.reference[:LONGEST]}" if one.reference else ""
        parts.append(f"{talk}\nDisliked answer: {one.reply[:LONGEST]}{wanted}")
    return "\n\n".join(parts)
