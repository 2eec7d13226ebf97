"""What a guard's model looks at: the words of a text, and the signs of hostile ones among them.

A word that means something here stands a second time as the kind of sign it is, so that words of one
kind share what is learnt of any of them, and an attack in new words is known by what it is made of.
Words alone learn the turns of the made texts by heart; signs alone see nothing in words that nobody
thought of. Of fresh attacks each by itself found fewer than both together.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

HARM = (
    "bomb explosiv detonat grenade napalm thermite molotov firebomb gun guns firearm rifle pistol "
    "ammunition silencer sarin ricin anthrax cyanide weapon missile landmine dynamite sniper uranium "
    "plutonium toxin poison venom chlorine gunpowder arsenic chloroform antifreeze drug drugs meth "
    "methamphet heroin cocaine fentanyl lsd mdma ecstasy ketamine opium opioid ghb cannabis steroid "
    "overdos amphetamin hack hacker hackear hackern malware ransom virus trojan keylog spyware botnet "
    "rootkit phish exploit backdoor ddos crack brute breach deepfake doxx dox swatting skimm steal "
    "stole stolen theft thief rob robbery burgl shoplift loot fraud scam swindl defraud forge forgery "
    "counterfeit falsif launder embezzl blackmail extort bribe bribery smuggl traffick kidnap abduct "
    "arson hijack sabotag vandal terror murder assassin assault molest rape rapist groom stalk evade "
    "evasion illegal illicit crime criminal contraband cartel heist pickpocket piracy pirate tamper "
    "hotwire lockpick homicid genocid massacre strangl suffocat suicid anorex corpse ponzi defam "
    "incite radicalis radicaliz militia isis hitman porn pedophil paedophil pornogr underage nude nudes "
    "bombe bomba bombs drogen drogue drogas droga waffe arme armes arma voler robar rubare roubar "
    "umbringen vergiften toten tuer matar uccidere pirater sprengstoff einbrechen falschgeld"
)
"""Words for what does harm, and for what is done with it."""
WARD = (
    "protect prevent recogni recognis report avoid safely legal legally law laws lawful histor punish "
    "penalt penalty sentence victim awareness research study educat antivirus defend defens secure "
    "defus treat treatment hotline therap symptom charity support prohibit ban banned stop fight "
    "investigat museum documentar statistic rescue recover schutz schutze proteger"
)
"""Words for what keeps harm away, or looks at it from afar."""
SLY = (
    "caught undetect unnotic noticed noticing trace traces untrace anonym secretly evidence alibi "
    "suspicion suspect conceal disguis police cops quietly knowing licence license prescription "
    "darknet erwischt gemerkt pillen prendre"
)
"""Words for not being found out."""
GOODS = (
    "card account payment refund order parcel deliver invoice booking ticket subscri price cost fee "
    "fees balance withdraw deposit currenc exchange bank insur warrant hotel flight seat appointment "
    "transfer statement purchase shop store receipt voucher discount charge charged customer branch "
    "mortgage loan salary restaurant weather train bus station parking rechnung bestellung paket "
    "lieferung facture colis factura pedido paquete"
)
TECH = (
    "process thread server docker kubern git python java javascript sql function script file folder "
    "database query loop array list string css html api regex compile compiler debug commit terminal "
    "printer router phone laptop app browser excel column row rows table class method variable test "
    "tests json csv linux windows android wifi software update install button click screen"
)
HOME = (
    "garden dog dogs cat cats horse puppy kitchen recipe cook bake oven egg eggs weed weeds plant ant "
    "ants wasp mice mouse mosquito stain paint picture balloon cake bread garlic onion cream soup "
    "coffee tea butter flour sugar salad cheese potato tomato candle shirt boots sofa lamp window roof "
    "kids family wedding birthday party game chess boss level dragon zombie movie film novel book song "
    "album team match player photo portrait photograph guitar piano poem haiku story quiz holiday trip "
    "travel marathon exam homework teacher school museum minecraft zelda skyrim fortnite joke"
)
"""Words of shops, of machines, and of what people do at home: where harm is rarely meant."""
ASK = (
    "how explain describe teach instruct guide tutorial recipe steps step method methods ways write "
    "create provide generate develop draft give list outline plan suggest wie comment como anleitung"
)

MENACE = (
    "poach ivory ballot rig rigged brothel pimp slave enslav noose hostage ransom shrapnel fuse charge "
    "payload shellcode stealer skimmer wiretap eavesdrop bugged lure upskirt undress gaslight humiliat "
    "torment intimidat coerc smear malicious lethal deadly fatal untraceab undetectab stash dealer "
    "precursor purge starv bleed wound maim mutilat electrocut smother inferior extremis martyr "
    "caliphate recruit riot overthrow unregistered trigger infect contamin pathogen poisonous toxic "
    "explode blast victim target fool bully bullied bullying harass threat unsuspecting vulnerab "
    "drunk asleep unconscious sedat handcuff captive trap cage prey predator cruel pain painful suffer "
    "weak helpless torture minors minor underage schoolgirl schoolboy teenager thirteen loophole bypass "
    "disabl circumvent unauthor stolen dump leak launder offshore mule forged bogus"
)
"""More words for harm, its means, and whom it is done to."""
DECEIVE = (
    "fake false falsely pretend trick fool convinc persuad manipulat mislead decei imperson pose posing "
    "disguis spoof catfish bait cheat lie lying"
)
"""Words for making others believe, or do, what they would not."""
PRIVATE = (
    "address password location locate whereabout message messages chats calls emails webcam microphone "
    "camera cameras identity photos private personal consent permission knowledge secret hidden number"
)
"""Words for what is somebody's own."""
PROMOTE = (
    "promot encourag glorif justif prais celebrat incit advocat endors normaliz normalis trivialis "
    "trivializ spread radical persuasive viral"
)
"""Words for speaking in favour of something."""


CONTENT: Mapping[str, str] = {
    "slur": "nigg fagg kike tranny trannies wetback retard spic chink gook raghead towelhead "
    "shemale tards fucktard libtard trumptard mongoloid feminazi cuck soyboy incel neckbeard inbred "
    "redneck hillbilly demonrat democrap dumocrat rethug repugli magat gypsy goyim",
    "curse": "motherf bitch cunt asshole arsehole asshat dumbass jackass dickhead shithead "
    "dipshit bastard douche wanker tosser cocksuck turd stfu gtfo kys arse",
    "swear": "fuck fck fuk fcuk effing effin shit damn goddam wtf crap bullsh bollock badass ass hell omfg",
    "lewd": "whore slut skank pussy tits titt boob blowjob horny cum jerkoff masturb nympho milf milfs "
    "naked nude bang banging spank cameltoe",
    "sexual": "dick cock prick penis vagina sex sexual porn rape rapist molest pervert pedo paedo "
    "groomer anal prostitut hooker incest orgasm semen fondl grope breast nipple",
    "insult": "idiot moron imbecil cretin loser scum scumbag lowlife degenera psycho sociopath "
    "lunatic nutjob nutcase freak pig swine vermin parasite leech maggot worm buffoon halfwit dimwit "
    "nitwit simpleton bonehead numbskull airhead coward hypocri traitor liar liars crook grifter conman "
    "thug savage filth disgrace worthless braindead brainless clueless imbecile deranged demented "
    "hag cockroach subhuman fatso lardass sleaz soulless heartless gutless spineless shameless "
    "sheeple bootlick muppet plonker git dunce oaf dolt twit twat dweeb creep sicko wretch "
    "slimeball sleazebag dirtbag ratbag bigot racis sexis misogyn homophob fascis nazi hitler "
    "tyrant dictator commie communis marxis terroris taliban jihad covidiot murderer brat crybab "
    "snob narciss kook nutter puppet treason junkie druggie crackhead methhead invaders "
    "illegals satan demonic troll goon stooge hack karen simp",
    "beast": "dog dogs cow cows ape apes monkey monkeys rat rats snake snakes goat donkey toad slug "
    "insect animal animals beast beasts worms sheep gorilla baboon plague disease infest",
    "bad": "stupid dumb suck sucks pathetic disgust vile revolt repuls nasty ugly filthy fat "
    "hideous gross shame sham monster crazy insane mental gullible illiterate ignoran lazy greedy "
    "selfish toxic slim phony abomination evil wicked rotten stink smelly hated arrogant delusion "
    "useless garbage trash joke fool clown witch devil demon hypocrit corrupt lying thick slob "
    "bitter senile fatty obese propaganda brainwash cult crime jerk whin puke vomit",
    "poor": "terrible horrible worst awful hate bad lame weird embarrass fake hoax fraud scam cheat "
    "lies lie steal stole thief thieves criminal disaster slow broken wrong boring sad annoy",
    "violence": "kill murder slaughter execut hang hung lynch shoot shot bullet stab knife punch slap "
    "smash burn exterminat nuke strangle choke torture drown beat beaten bury wiped bleed",
    "death": "die dies died dying dead death suicid cancer grave funeral rot",
    "news": "police arrest suspect court trial report witness charged sentenced jury victim "
    "investigat attack war soldier military army century histor museum documentary article "
    "government minister election parliament",
    "care": "doctor hospital patient treatment symptom infect surger vaccine screening medic clinic "
    "therap nurse pregnan health exam",
    "play": "movie film novel book game player level boss villain hero character episode song album "
    "concert match team goal score season scene actor recipe oven onion egg cook bake chop",
    "body": "face mouth teeth throat head skull neck legs knees balls hole skin",
    "kin": "mother mom mum dad father sister brother wife husband girlfriend boyfriend daughter son "
    "family parents grandma kids children",
    "expel": "deport expel banish ban removed locked lock cage jail prison zoo ship boat border "
    "country home breed extinct",
    "threat": "regret revenge warn watch coming find pay hunt deserve hope wish",
    "harm": HARM,
    "sly": SLY,
    "ward": WARD,
    "ask": ASK,
    "goods": GOODS,
    "tech": TECH,
    "home": HOME,
    "menace": MENACE,
    "deceive": DECEIVE,
    "private": PRIVATE,
    "promote": PROMOTE,
}  # fmt: skip
CONTENT_WHOLE: Mapping[str, str] = {
    "you": "you your youre ur u yall yourself urself",
    "them": "he she they them him her his their hers theirs",
    "group": "jew jews jewish muslim muslims islam islamic black blacks white whites asian asians gay "
    "gays lesbian lesbians trans transgender immigrant immigrants mexican mexicans women woman men "
    "christian christians catholic catholics liberal liberals democrat democrats dems republican "
    "republicans gop conservative conservatives feminist feminists boomer boomers foreigners refugees",
    "people": "people person man guy guys folks everyone everybody nobody somebody someone human humans",
    "me": "i im my me myself ive id ill",
    "will": "will gonna going should must would shall",
    "not": "not no never dont doesnt cant cannot wont without",
    "kind": "love loved thank thanks please great good happy best sorry nice awesome amazing beautiful "
    "cool hope congrats welcome fun funny lol haha glad enjoy enjoyed favorite favourite cute proud "
    "delicious gorgeous fine",
}  # fmt: skip
FOLDS = str.maketrans("013457@$!|", "oieastasil")
CALLS = re.compile(r"[!|]+(?![a-z])")
"""Marks that end a word and stand for no letter: `great!` is no word of its own."""
WORD = re.compile(r"[^\W\d_](?:[\w@$!|*#&'’]*[^\W_])?|[^\W\d_]")
PLAIN_WORD = re.compile(r"\w\w+")
INFLECTIONS = (
    "ations", "ation", "ingly", "ings", "edly", "ing", "ers", "ies", "ed", "er", "es", "ly", "s",
    "e", "y",
)  # fmt: skip
"""Endings of English words, longer ones first."""
LINK = re.compile(r"(?:https?:|www\.)\S*")
LONGEST = 20_000
KIND = "zz"
"""With which a kind of sign begins, so that it is no word."""
SPACED = re.compile(r"(?<![^\W_])(?:[^\W_][ .\-_*]){3,}[^\W_](?![^\W_])")
"""A word whose letters stand apart, or more of them."""
APART = re.compile(r"(?<=\b\w) (?=\w\b)")
WIDE = re.compile(r"\b\w \w \w {2,}\w")
"""Letters that stand apart, and words that stand further apart."""
SIGNLESS = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]{2,}")
"""Letters of languages that write no spaces, or no words that stay the same."""


INJECTION: Mapping[str, str] = {
    "override": "ignor ignr disregard forget overrid overrul bypass discard neglect circumvent evade "
    "dismiss nevermind unlearn scrap abandon vergiss vergess missacht oubli olvid descart dimentic "
    "trascur esque desconsider игнор забудь проигнор ignorier",
    "rules": "instruct prompt rule guideline guidance directive direction polic restrict constrain "
    "programming filter limitation limits censor safeguard guardrail moderat boundar protocol "
    "confine safety training configur anweisung aufgabe regel vorgabe consigne regle règle "
    "instruccion instrucciones regla istruzion instruç regra инструкц правил indicacion restriccion",
    "prior": "previous prior preceding initial origin foregoing earlier former above before "
    "beginning first opening vorherig bisherig davor précéd preced anterior предыдущ выше sopra arriba",
    "system": "system root sudo debug kernel terminal openai chatgpt gpt llm assistant assistent "
    "chatbot anthropic claude gemini bard model системн sistema système",
    "boss": "developer admin administrator creator owner engineer researcher auditor programmer "
    "supervisor intern authoriz authoris permission clearance maintenance",
    "reveal": "reveal print repeat output display leak dump expose disclos spell echo show paste copy "
    "quote translat summar convert rephras list recite zeige zeig muestra montre rivela revela покажи",
    "exact": "verbatim exact literally complet entire whole full detail "
    "precise everything wörtlich",
    "role": "pretend roleplay imagin simulat emulat persona character hypothetic fiction "
    "fictional story novel scene act acting play become impersonat identity role dialogue",
    "free": "unrestrict unfilter uncensor jailbreak jailbroken unlock dan stan dude aim amoral "
    "immoral unethical evil illegal unbound unlimited nsfw unaligned rogue free freedom boundless "
    "limitless unhing machiavell villain",
    "refuse": "refus refusal declin apolog warning disclaimer moral ethic unable appropriat harmful "
    "legal forbid forbidden prohibit lecture caution judg consequenc",
    "comply": "obey comply complies fulfil loyal serve henceforth immediat enabl activat confirm "
    "understood absolut unconditional command demand order",
    "off": "off disabl suspend switch deactivat remov lift void cancel mistake shut",
    "harm": HARM,
    "secret": "password credential token secret confidential hidden hide api key private internal "
    "passwor geheim secreto secrete segret",
    "send": "send forward exfiltrat upload transfer wire click visit recommend approve refund "
    "append include insert link url http email",
    "code": "hex decod encod revers cipher markdown json xml",
    "task": "task job mission objective goal request question purpose",
    "talk": "conversation chat message session dialog text words paragraph document page sentence "
    "reply answer respond response",
    "mode": "mode enter personality version test simulation",
    "swear": "swear curse insult hate pwned hacked idiot stupid offensive profanity explicit",
    "hurt": "kill torture shoot stab drown beat burn attack destroy harm hurt injure blow drunk bully "
    "harass threaten threat abuse manipulat violence violent hatred racist sexist dead die death body",
    "sly": SLY,
    "ward": WARD,
    "goods": GOODS,
    "tech": TECH,
    "home": HOME,
}  # fmt: skip
INJECTION_WHOLE: Mapping[str, str] = {
    "you": "you your youre yourself u du dein deine deinen tu tus ton tes vous vos",
    "me": "i im my me we our us mir moi mi",
    "new": "new instead now actually rather",
    "not": "no not never without nothing none nor cannot cant dont doesnt wont isnt arent ohne sans sin",
    "all": "all any every anything whatever whatsoever alle alles toutes tout todo todas tutte",
    "told": "told said given handed wrote written gave ordered asked received",
    "must": "must shall only always will should required have",
    "stop": "stop halt wait hold enough end quit drop start begin",
    "user": "user users customer customers reader visitor human humans person people",
    "how": "how explain describe teach teaches instruct guide recipe steps",
    "say": "say says tell give write make create give",
    "if": "if when whenever before after",
}  # fmt: skip
TAGS = re.compile(
    r"<\|[^|<>]{1,20}\|>|\[/?(?:INST|SYSTEM)\]|<</?SYS>>|</?(?:system|user|assistant|instructions?)>|^#{2,4} ?\w+|-{3,}|={3,}|```",
    re.I | re.M,
)


@dataclass(frozen=True, slots=True)
class Stems:
    """Which kind of sign a word is, by how it begins; looked up, since guards read quickly."""

    kinds: tuple[str, ...]
    """The first one that fits a word is its kind."""
    long: Mapping[str, int]
    """Stems with which a word begins, and the places of their kinds."""
    short: Mapping[str, int]
    """Stems too short for that: the whole word, but for its ending, so that `rat` is no part of
    `rather`."""
    inside: Mapping[str, int]
    """Stems that may stand anywhere in a word."""
    heads: frozenset[str]
    """How the long stems begin: most words begin like none, and need no closer look."""
    within: re.Pattern[str]
    """Any stem that may stand anywhere."""

    @classmethod
    def of(cls, stems: Mapping[str, str]) -> Stems:
        """From kinds and their stems."""
        long: dict[str, int] = {}
        short: dict[str, int] = {}
        inside: dict[str, int] = {}
        for place, some in enumerate(stems.values()):
            for stem in bare(some).split():
                room = inside if stem in ANYWHERE else long if len(stem) > SHORT else short
                room.setdefault(stem, place)
        heads = frozenset(stem[: SHORT + 1] for stem in long)
        within = re.compile("|".join(map(re.escape, inside)) or r"(?!)")
        return cls(tuple(stems), long, short, inside, heads, within)

    def kind(self, word: str) -> str:
        """A word's kind; empty for one that means nothing here."""
        places = []
        if word[: SHORT + 1] in self.heads:
            places += [self.long[word[:size]] for size in LENGTHS if word[:size] in self.long]
        if len(word) <= SHORT + LONGEST_ENDING:
            places += [
                self.short[stem]
                for ending in ENDINGS
                if word.endswith(ending) and (stem := word[: len(word) - len(ending)]) in self.short
            ]
        if self.within.search(word):
            places += [place for stem, place in self.inside.items() if stem in word]
        return self.kinds[min(places)] if places else ""


def folded(text: str) -> str:
    """A text in lower case on one line, as it reads once leetspeak is undone."""
    lower = CALLS.sub(" ", " ".join(text.lower().split())).translate(FOLDS)
    return lower if lower.isascii() else SIGNLESS.sub(_pairs, lower)


def without_endings(text: str) -> str:
    """A text's words of two letters or more, each without its ending."""
    words = PLAIN_WORD.findall(text)
    stems = {word: _without_ending(word) for word in set(words)}
    return " ".join([stems[word] for word in words])


def _without_ending(word: str) -> str:
    if len(word) <= SHORT:
        return word[:-1] if len(word) == SHORT and word[-1] == "s" else word
    found = word.endswith(INFLECTIONS)  # one look at all of them is quick
    ending = next(filter(word.endswith, INFLECTIONS)) if found else ""
    stem = word[: len(word) - len(ending)]
    if len(stem) < SHORT - 1:
        return word
    return stem[:-1] if len(stem) >= SHORT and stem[-1] == stem[-2] else stem


def joined(text: str) -> str:
    """A text in which letters that stand apart are words again."""
    if "  " in text and WIDE.search(text):
        text = APART.sub("", text)
    return SPACED.sub(_joined, text)


def bare(text: str) -> str:
    """A text without accents."""
    return text if text.isascii() else text.translate(_accents())


def _joined(match: re.Match[str]) -> str:
    """Where a mark stands between letters, a space stands between words."""
    word = match.group()
    marks = re.sub(r"[.\-_*]", "", word)
    return marks if marks != word else word.replace(" ", "")


def _pairs(match: re.Match[str]) -> str:
    """Every two letters that stand side by side, as words."""
    run = match.group()
    return f" {' '.join(run[place : place + 2] for place in range(len(run) - 1))} "


@lru_cache(maxsize=1)
def _accents() -> dict[int, str | None]:
    table: dict[int, str | None] = dict.fromkeys(range(0x300, 0x370))
    for code in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00)):
        letter = unicodedata.normalize("NFD", chr(code))[0]
        if letter.isascii():
            table[code] = letter
    return table


@dataclass(frozen=True, slots=True)
class Signs:
    """One guard's words for what it sees."""

    stems: Stems
    whole: Mapping[str, str]
    tags: bool
    """Whether marks that stand for parts of a prompt are signs."""
    endless: bool
    """Whether words are read without their endings: who asks how to hack is known by `hacking`."""

    @classmethod
    def of(
        cls,
        stems: Mapping[str, str],
        whole: Mapping[str, str],
        *,
        tags: bool = False,
        endless: bool = False,
    ) -> Signs:
        """From kinds of sign and the words that are of that kind."""
        words = {word: kind for kind, some in whole.items() for word in bare(some).split()}
        return cls(Stems.of(stems), words, tags, endless)

    def read(self, text: str) -> str:
        """A text's words, leetspeak and spaced letters undone, and after them its signs in their
        order: `you are an idiot zzyou zzinsult`."""
        text = bare(joined(text[:LONGEST]))
        words = folded(text)
        if self.endless:
            words = without_endings(words)
        return " ".join([words, *(KIND + kind for kind in self.kinds(text))])

    def kinds(self, text: str) -> list[str]:
        """The signs of a text in their order; `none` where there is not one."""
        text = LINK.sub(" link ", text)
        if self.tags:
            text = TAGS.sub(" tagtagtag ", text)
        words = WORD.findall(text)
        kinds = {word: self._kind(word) for word in set(words)}
        found = [kinds[word] for word in words if kinds[word]]
        loud = [word for word in words if len(word) > 2]
        if len(loud) > 2 and sum(word.isupper() for word in loud) > 0.6 * len(loud):
            found.append("shout")
        if text.count("!") > 2:
            found.append("bang")
        return found or ["none"]

    def _kind(self, word: str) -> str:
        if word == "tagtagtag":
            return "tag"
        lower = word.lower().replace("’", "'")
        whole = self.whole.get(lower.replace("'", ""))
        if whole:
            return whole
        plain = lower.partition("'")[0].lstrip("#")
        if len(plain) < 2:
            return ""
        kind = self.stems.kind(plain.translate(FOLDS)[:WORDS])
        if kind:
            return kind
        hidden = any(sign in plain for sign in "*@$#!")
        return "curse" if hidden and _MASKED.fullmatch(plain) else ""


SHORT = 4
"""Letters of a short stem, at most."""
LENGTHS = range(SHORT + 1, 17)
"""Letters of a long stem."""
WORDS = 40
"""Letters of a word that are looked at."""
ENDINGS = ("", "s", "es", "ed", "er", "ers", "ing", "y", "ies", "in")
LONGEST_ENDING = max(map(len, ENDINGS))
ANYWHERE = frozenset({
    "fuck", "shit", "cunt", "nigg", "fagg", "slut", "pedo", "nazi", "scum", "idiot", "moron",
    "bitch", "retard", "tards", "asshole", "dumbass", "whore", "rapist",
})  # fmt: skip

_MASKED = re.compile(r"[fsbcdapnw]\w*[*@$#&!|][\w*@$#&!|]*")
HOSTILE = Signs.of(CONTENT, CONTENT_WHOLE, endless=True)
"""What the guard for content looks at."""
ORDERS = Signs.of(INJECTION, INJECTION_WHOLE, tags=True)
"""What the guard for injection looks at."""
