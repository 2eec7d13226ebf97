"""The signs of hostile text: what a guard's model looks at, and all it looks at.

Words that mean nothing here are left out, so that no topic, name or turn of phrase becomes a sign by
chance of the training set, and a new one is judged by what is said of it. What is left stands as the
kind of sign it is, in its order, so that words of one kind share what is learnt of any of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

CONTENT: Mapping[str, str] = {
    "slur": "nigg fagg kike tranny trannies wetback retard spic chink gook raghead towelhead dyke "
    "shemale tards fucktard libtard trumptard mongol gypsy goyim troon libt libf libtur democrap "
    "dumocrat demoncrat demonrat rethug repugli magat feminazi sheeple bootlick cuck soyboy simp "
    "incel neckbeard inbred redneck hillbilly karen kkk",
    "curse": "motherf fucktard bitch b1tch cunt asshole arsehole ahole asshat dumbass jackass "
    "dickhead shithead dipshit prick twat bastard douche wanker tosser cocksuck turd sob fjb "
    "brandon stfu gtfo kys fu foff fatass arse azz smd smdh",
    "swear": "fuck fck fuk fcuk fkn effing effin shit sh1t damn goddam wtf crap piss bullsh bollock "
    "badass ass hell bs omfg",
    "sexual": "whore slut hoe skank dick cock pussy puss penis vagina boob tits titt blowjob porn "
    "horny rape rapist molest pervert pedo paedo groomer cum anal naked nude prostitut hooker "
    "cameltoe incest bestial sodom jerkoff fondl grope sniffer semen orgasm masturb "
    "screwed castrat castor",
    "insult": "idiot moron imbecil cretin fool loser scum lowlife degenera psycho sociopath lunatic "
    "nutjob nutcase nutter nuts kook freak swine pig vermin parasite leech maggot buffoon halfwit "
    "dimwit nitwit simpleton bonehead airhead coward hypocri traitor treason liar liars crook "
    "grifter conman thug savage barbar filth disgrace pathetic worthless braindead brainless "
    "brainwash clueless ignoran senile demented deranged hag witch puppet tyrant dictator commie "
    "communis marxis nazi hitler fascis racis bigot sexis homophob transphob misogyn terroris "
    "taliban jihad covidiot thief thieves criminal murderer killer brat crybab snob narciss "
    "cockroach rat rats baboon gorilla subhuman fatso fatty obese crackhead junkie druggie meth "
    "sleaz soulless heartless gutless spineless shameless infest invaders illegals satan demons "
    "demonic monsters clown buffon twit dolt stooge goon hack weasel",
    "bad": "stupid suck slept swallow pos dumb trash garbage embarrass useless disgust vile revolt repuls nasty ugly "
    "hideous gross joke shame sham monster crazy insane mental lame weirdo delusion gullible "
    "illiterate uneducated lazy greedy selfish hateful toxic slim phony fake hoax propaganda slave "
    "abomination sick creep corrupt fraud lying lies evil devil wicked rotten stink smelly "
    "awful terrible horrible worst hate hated bum slob whin arrogant cheat scam steal stole jerk "
    "brain sleepy clog poop diaper vomit puke barf icky fat",
    "violence": "kill murder slaughter execut hang hung lynch shoot gun bullet turret stab knife "
    "punch smash burn gas exterminat genocid nuke die dies dead suicid choke strangle suffer "
    "torture rot guillotin firing jail prison gitmo deport sterili drown cancer infanticide "
    "euthan cyanide straightjacket asylum impeach beat hurt bonfire bomb",
}  # fmt: skip
CONTENT_WHOLE: Mapping[str, str] = {
    "you": "you your youre u ur yall yourself urself",
    "them": "he she they them him her his their these those it its who",
    "group": "jew jews jewish muslim muslims islam islamic black blacks white whites asian asians gay "
    "gays lesbian trans transgender transvestite immigrant immigrants mexican mexicans women woman "
    "men christian christians catholic catholics liberal liberals democrat democrats dems republican "
    "republicans gop conservative conservatives blm lgbt lgbtq feminist feminists boomer boomers",
    "me": "i im my me myself ive id",
    "kind": "love loved thank thanks please great good happy best sorry nice awesome amazing beautiful "
    "cool hope congrats welcome fun funny lol haha glad enjoy enjoyed favorite cute",
}  # fmt: skip
FOLDS = str.maketrans("013457@$!|", "oieastasil")
WORD = re.compile(r"[^\W\d_](?:[\w@$!|*#&'’]*[^\W_])?|[^\W\d_]")
LINK = re.compile(r"\S*(?:https?:|www\.)\S*")
LONGEST = 20_000


INJECTION: Mapping[str, str] = {
    "override": "ignor disregard forget overrid overrul bypass discard neglect circumvent evade "
    "dismiss vergiss missacht oublie olvida descarta dimentica trascura esque desconsider "
    "игнор забудь проигнор",
    "rules": "instruct prompt rule guideline directive polic restrict constrain programming filter "
    "limit censor safeguard moderat boundar protocol anweisung regel vorgabe consigne regle "
    "instruccion regla istruzion instruç regra инструкц правил",
    "prior": "previous prior above earlier preceding initial original foregoing everything "
    "vorherig bisherig précédent anterior precedent предыдущ",
    "system": "system developer admin root sudo debug kernel openai chatgpt gpt llm assistant "
    "chatbot override anthropic claude gemini bard language-model",
    "reveal": "reveal print repeat output display leak dump verbatim expose disclos spell echo "
    "translat summar quote copy",
    "role": "pretend roleplay role-play imagin simulat persona character hypothetic fiction "
    "story novel scene act acting play become impersonat",
    "free": "unrestrict unfilter uncensor jailbreak jailbroken unlock dan stan dude aim amoral "
    "immoral unethical evil illegal anything freedom unbound unlimited nsfw unaligned rogue "
    "machiavell",
    "refuse": "refus refusal declin sorry apolog warning disclaimer moral ethic cannot can't "
    "appropriate harmful safety",
    "comply": "must obey comply always never only mode enabled activat confirm understood begin "
    "start from now henceforth immediately",
    "harm": "hack malware exploit bomb weapon meth poison steal phish ransom keylog explosiv "
    "counterfeit fraud napalm hotwire stalk launder cocaine hitman torture kill",
    "secret": "password credential token secret confidential hidden api internal private",
    "send": "send forward exfiltrat upload transfer wire click visit",
    "code": "base64 rot13 hex decode encod reverse cipher markdown json xml",
}  # fmt: skip
INJECTION_WHOLE: Mapping[str, str] = {
    "you": "you your youre yourself u",
    "me": "i im my me we our us",
    "new": "new instead",
}  # fmt: skip
TAGS = re.compile(
    r"<\|[^|<>]{1,20}\|>|\[/?(?:INST|SYSTEM)\]|<</?SYS>>|</?(?:system|user|assistant|instructions?)>|^#{2,4} ?\w+|-{3,}|={3,}|```",
    re.I | re.M,
)


@dataclass(frozen=True, slots=True)
class Signs:
    """One guard's words for what it sees."""

    stems: Mapping[str, re.Pattern[str]]
    whole: Mapping[str, str]
    tags: bool
    """Whether marks that stand for parts of a prompt are signs."""

    @classmethod
    def of(cls, stems: Mapping[str, str], whole: Mapping[str, str], *, tags: bool = False) -> Signs:
        """From kinds of sign and the words that are of that kind."""
        words = {word: kind for kind, some in whole.items() for word in some.split()}
        return cls({kind: _pattern(some) for kind, some in stems.items()}, words, tags)

    def read(self, text: str) -> str:
        """The signs of a text in their order, as words: `you insult`, `group violence shout`."""
        text = LINK.sub(" link ", text[:LONGEST])
        if self.tags:
            text = TAGS.sub(" tagtagtag ", text)
        words = WORD.findall(text)
        found = [kind for word in words if (kind := self._kind(word))]
        loud = [word for word in words if len(word) > 2]
        if len(loud) > 2 and sum(word.isupper() for word in loud) > 0.6 * len(loud):
            found.append("shout")
        if text.count("!") > 2:
            found.append("bang")
        return " ".join(found) or "none"

    def _kind(self, word: str) -> str:
        if word == "tagtagtag":
            return "tag"
        lower = word.lower().replace("’", "'")
        whole = self.whole.get(lower.replace("'", ""))
        if whole:
            return whole
        plain = lower.partition("'")[0].lstrip("#")
        folded = plain.translate(FOLDS)
        for kind, pattern in self.stems.items():
            if pattern.search(folded):
                return kind
        hidden = any(sign in plain for sign in "*@$#!")
        return "curse" if hidden and _MASKED.fullmatch(plain) else ""


def _pattern(stems: str) -> re.Pattern[str]:
    """A few stems anywhere in a word, the long ones at its beginning, and short ones as a whole, so
    that `rat` is no part of `rather`."""
    words = stems.split()
    inside = [stem for stem in words if stem in ANYWHERE]
    long = [stem for stem in words if len(stem) > 4 and stem not in ANYWHERE]
    short = [stem for stem in words if len(stem) <= 4 and stem not in ANYWHERE]
    parts = [*inside, f"^(?:{'|'.join(long)})"]
    if short:
        parts.append(f"^(?:{'|'.join(short)})(?:s|es|ed|er|ers|ing|y|ies|in)?$")
    return re.compile("|".join(part for part in parts if part))


ANYWHERE = frozenset({
    "fuck", "shit", "cunt", "nigg", "fagg", "slut", "pedo", "nazi", "twat", "libt", "scum",
    "idiot", "moron", "bitch", "fucktard", "libtard", "trumptard", "traitor", "retard", "tards",
    "democrap", "asshole", "dumbass",
})  # fmt: skip

_MASKED = re.compile(r"(?:f|s|b|c|d|a|p|n|w)[\w*@$#&!|]*[*@$#&!|]+\w*")
HOSTILE = Signs.of(CONTENT, CONTENT_WHOLE)
"""What the guard for content looks at."""
ORDERS = Signs.of(INJECTION, INJECTION_WHOLE, tags=True)
"""What the guard for injection looks at."""
