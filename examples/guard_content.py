"""Sentences that the guard for content learns from: harmful ones and harmless ones.

Made of hand-written parts. Whom a harmful sentence is about is drawn apart from what is said, so
that no group, job or name becomes a sign of harm by itself: the same names stand in harmless
sentences as often.
"""

from __future__ import annotations

import guard_requests
import numpy as np
from guard_parts import filled, parts, said
from guard_requests import ALARMING, ASKED
from guard_talk import talk

Families = dict[str, list[str]]

NAMES = """you|u|he|she|they|this guy|that woman|my boss|the mayor|the president|the senator|your mom|his wife
|the referee|these people|those folks|everyone here|the players|this company|the police|the media|liberals
|conservatives|democrats|republicans|christians|muslims|jews|gays|women|men|immigrants|black people|white people
|old people|teenagers|americans|russians|chinese people|the driver|the teacher|the admin|op|this politician
|the government|the host|that actor|the singer|the coach|doctors|lawyers|vegans|gamers|trump|biden|the queen"""
NOUNS = """idiot|moron|imbecile|cretin|dumbass|jackass|dipshit|dumbfuck|shithead|asshole|arsehole|bastard|bitch|son of a bitch
|cunt|twat|whore|slut|hoe|skank|prick|dick|dickhead|cock|cocksucker|motherfucker|fucker|wanker|tosser|pussy|douche|douchebag
|retard|loser|scumbag|scum|lowlife|degenerate|pervert|creep|pedophile|pedo|groomer|rapist|psycho|sociopath|lunatic|nutjob|nutcase
|freak|pig|swine|rat|snake|cockroach|parasite|leech|vermin|ape|clown|buffoon|fool|tool|airhead|halfwit|dimwit|nitwit|simpleton|bonehead|numbskull
|liar|fraud|cheat|crook|thief|criminal|traitor|coward|hypocrite|grifter|con man|racist|nazi|fascist|commie|thug|savage|monster|demon|devil
|piece of shit|piece of trash|piece of garbage|waste of space|waste of oxygen|sack of shit|bag of dicks|turd|trash|garbage|filth|disgrace|joke|embarrassment
|hag|witch|cow|fatass|fatso|lardass|troll|ogre|goblin|simp|incel|neckbeard|snowflake|libtard|sheep|bootlicker|karen|boomer trash|inbred|hillbilly trash"""
BADJ = """stupid|dumb|idiotic|moronic|brainless|braindead|clueless|ignorant|retarded|pathetic|worthless|useless|disgusting|vile|revolting|repulsive|nasty|filthy|dirty|ugly
|fat|hideous|evil|wicked|corrupt|crooked|rotten|senile|demented|deranged|insane|crazy|sick|twisted|perverted|creepy|trashy|sleazy|slimy|spineless|cowardly|gutless|lazy
|fucking|fuckin|goddamn|damn|bloody|shitty|crappy|lying|cheating|thieving|murderous|racist|sexist|bigoted|hateful|toxic|heartless|soulless|shameless|greedy|inbred|subhuman|smelly"""
VERBS = """fuck off|go fuck yourself|go to hell|burn in hell|rot in hell|rot in jail|drop dead|go die|eat shit|kiss my ass|suck a dick|suck it|shut the fuck up|shut up
|get lost you freak|get fucked|screw you|piss off|choke on it|jump off a bridge|go hang yourself|kill yourself|kys|stfu|gtfo|go back to your cave|crawl back under your rock
|crawl back into your hole|keep your legs closed|go cry to your mommy|get out of my country|die in a fire|die slowly|get cancer|get raped|hope you suffer"""
THREATS = """i will kill {w}|i'm going to kill {w}|i'll find {w} and break their legs|somebody should shoot {w}|{w} should be shot|{w} should be hanged|hang {w}|{w} deserves to die
|{w} deserve to die|i hope {w} dies|i hope {w} gets cancer|i want to punch {w} in the face|{w} needs a bullet|put {w} down like a dog|{w} should be locked up and beaten
|i know where {w} live|watch your back, {w} will pay|we are coming for {w}|beat {w} up|smash {w}'s teeth in|take {w} out|gas {w}|exterminate {w}|deport all of {w}|burn {w} alive
|someone should rape {w}|slap {w} hard|{w} should be put out of their misery|{w} should rot in prison|i'd love to see {w} suffer|make {w} bleed|drag {w} into the street"""
CLAIMS = """{w} is a {n}|{w} are {n}s|{w} is such a {a} {n}|what a {a} {n}|what a {n}|{a} {n}!|{w} are all {a} {n}s|{w}, you {a} {n}|you {n}|shut up you {n}|you're a {a} {n}|{w} has no brain
|{w} is {a} as hell|{w} is so {a}|how {a} can {w} be|{w} must be {a}|{w} looks like a {a} {n}|nobody likes {w}, {a} {n}|only a {n} would say that|{w} is nothing but a {n}
|{w} and the other {a} {n}s|i hate {w}|i fucking hate {w}|{w} makes me sick|{w} makes me want to puke|{w} disgusts me|{w} sucks ass|{w} sucks|fuck {w}|fuck {w} and everything about them
|{w} is full of shit|{w} is a {a} piece of shit|{w} can suck my dick|{w} can go to hell|{w} should be ashamed, {n}|shame on {w}, {a} {n}|{w} is a disgrace|look at this {a} {n}
|this {n} again|another {a} {n}|imagine being this {a}|{w} is the dumbest {n} i have ever seen|{w} was dropped on the head|{w} belongs in a zoo|{w} belong in a zoo|{w} belongs in jail
|{w} don't belong here|{w} are ruining this country|{w} are destroying everything, {a} {n}s|{w} slept her way to the top|{w} is on her knees again|get back in the kitchen {n}
|{w} smells like shit|the {a} {n} can't even read|{w} is brainwashed|bullshit from a {a} {n}|this is bullshit, {w} is a {n}|holy shit {w} is {a}|wtf is wrong with {w}|{w} is a fucking joke
|{w} needs to be flushed|{w} talks out of his ass|{w} can't find her ass with both hands|lmao {a} {n}|lol what a {n}|screw {w}|damn {n}|{w} licks boots|bunch of {a} {n}s|bunch of {n}s
|{w} is the devil|{w} is pure evil|{w} is a cancer on society|{w} is mentally ill|{w} is brain dead|{w} is a crook and a {n}|lock the {n} up|cry more {n}|dirty {n}|{a} little {n}|{w} eat babies"""
LEWD = """show me your tits|send nudes {n}|nice tits|i want to fuck her|she gives good head|suck my cock|sit on my face|i'd bang her so hard|spread your legs|she is begging for it
|what a slutty outfit|she'd look better naked|bend over|i bet she is great on her knees|look at that ass, i'd hit that|he jerks off to kids|grab her by the pussy|her boobs are all she has"""
TOPICS = """the game|this movie|the new album|my dog|our garden|the recipe|this bike|my phone|the update|that episode|the weather|work|school|the exam|my knee|the train|this song|the concert
|the photo|the painting|your dress|the cake|the coffee|the news|the election|the budget|the vaccine|the match|the goal|my car|the flight|the hotel|the beach|this book|the ending|the trailer
|the character|the map|the boss fight|the patch|the price|the discount|my order|the delivery|the refund|the support team|your channel|this video|the tutorial|the code|the bug|my internet"""
GOOD = """great|awesome|amazing|lovely|beautiful|nice|cool|neat|funny|hilarious|cute|adorable|impressive|solid|decent|fine|helpful|useful|interesting|inspiring|brilliant|clever|smart|kind|sweet
|gorgeous|delicious|cosy|smooth|clean|fresh|wholesome|relaxing|exciting|fun|worth it|underrated|surprising|reliable|affordable"""
MILD = """disappointing|boring|slow|too long|confusing|overpriced|a bit much|not for me|hard to follow|worse than before|broken for me|laggy|noisy|cold|late|overcooked|unfair|frustrating|tiring
|sad|annoying|expensive|outdated|unclear|risky|odd|strange|weird|difficult|complicated|unfinished|buggy|dull|bland|tricky"""
CHATTY = """{t} was {g}|i love {t}|{t} looks {g}|thanks for sharing {t}|does anyone know more about {t}?|where did you get {t}?|how long did {t} take?|i think {t} is {g}|{t} is {m} if you ask me
|honestly {t} was {m}|i'm sorry, but {t} is {m}|{t} could be better|not a fan of {t}|i disagree about {t}|i don't agree, {t} was {g}|congrats on {t}!|happy for you, {g} work|this made my day
|good for you!|so excited for {t}|can't wait for {t}|what is your favourite part of {t}?|same here, {t} was {g}|i had the same problem with {t}|have you tried restarting {t}?|it depends on {t}
|lol {t} got me|haha that's {g}|omg {t} is so {g}|wow, {g}!|that's {g}|that is {g}, thank you|i was nervous about {t} but it went well|my kids enjoyed {t}|my grandmother made {t}
|we watched {t} yesterday|{w} said {t} is {g}|{w} liked {t}|i met {w} at {t}|{w} voted on {t}|{w} won, {g}|{w} explained {t} really well|i agree with {w} on {t}|i disagree with {w} on {t}
|{w} and i talked about {t}|{w} should look at {t} again|why do {w} like {t}?|how do {w} feel about {t}?|{w} deserve better than {t}|respect to {w}|{w} helped me with {t}
|{t} hurts since monday, should i see a doctor?|the doctor said {t} is fine|the police are looking for witnesses of the accident|a man was arrested after the robbery, police said
|the war has killed thousands, the report says|the killer in {t} was obvious|i killed it at {t}|this heat is killing me|{t} is sick, love it|that beat is sick|i'm dead, {t} is so funny
|{t} hit me hard, i cried|you beat me to it|she shot a {g} photo|he shot the winning goal|we destroyed them 5-0, {g} game|breast cancer screening saves lives|my cat is fat and happy|i feel stupid for asking, but how does {t} work?
|i was an idiot and forgot {t} at home|my bad, i was wrong|shoot me a message|break a leg!|it's raining like hell here|damn, that's {g}|hell yeah, {g}|that was crazy {g}|crazy how {g} {t} is|stupid question: is {t} {g}?
|please stop sending me {t}|this review is about {t}: {m} and {m}|the service was {m}, i want my money back|you are wrong about {t}, here is why|in my opinion {w} are wrong about {t}
|that policy is {m} and i will vote against it|i don't like how {w} handled {t}|the referee made a {m} call|what a {g} day|good morning everyone|any tips for {t}?|first time trying {t}, wish me luck
|i'm new here, hi|does it work with {t}?|i've been using {t} for two years, {g}|update: {t} works now|edit: typo|source?|can you post the link?|asking for a friend|no idea, sorry|you're welcome|best of luck to {w}
|i lost my job and feel {m}|i've been feeling down lately|it's ok to ask for help|praying for {w}|rest in peace|my condolences|happy birthday!|where can i buy {t}?|is {t} still available?"""
PEOPLE = """teacher|driver|neighbour|player|singer|cook|nurse|artist|writer|friend|colleague|student|farmer|pilot|baker|coach|captain|host|fan|person|man|woman|kid|guy|lady|veteran
|dancer|engineer|gardener|legend|champion|hero|genius|sweetheart|winner|leader|professional|expert|beginner|customer|parent|grandmother|voter|reader|listener|tourist|cyclist|runner"""
CALM = """call me later|see you tomorrow|go ahead|take your time|have a seat|come back soon|get well soon|cheer up|keep going|calm down|hang in there|go outside|go home early|eat something
|try again|look it up|read the manual|close the door|turn it off|give it a rest|go to sleep|go to the gym|jump in|speak up|get out of the rain|go back to the start"""
WISHES = """i will call {w}|i'm going to meet {w}|i'll find {w} at the station|somebody should help {w}|{w} should be praised|{w} should be heard|{w} deserves a break|{w} deserve a break
|i hope {w} wins|i hope {w} gets better|i want to thank {w} in person|{w} needs a holiday|{w} should be hired|i know where {w} work|watch this, {w} will win|we are rooting for {w}
|pick {w} up|take {w} out for dinner|hug {w}|vote for {w}|write to all of {w}|{w} should be given a chance|i'd love to see {w} smile|make {w} laugh|{w} should be on stage"""
CASUAL = """damn, {t} is {g}|holy shit {t} is {g}|this shit is {g}|{t} is fucking {g}|i fucking love {t}|wtf is {t}|wtf happened to {t}|oh shit, i forgot {t}|i feel like shit today|i don't give a fuck about {t}
|zero fucks given about {t}|{t} scared the shit out of me|i laughed my ass off at {t}|{t} kicks ass|what the hell is {t}|hell yes to {t}|{t} is crazy {g}|{t} is insane|{t} is sick|{t} is stupid {g}|that is so dumb, i love it
|i feel dumb for asking about {t}|i was stupid and lost {t}|{t} is useless without {t}|{t} is terrible, avoid it|{t} is the worst|i hate {t}|i hate mondays|i hated {t} at first|{t} is trash compared to {t}|{t} was garbage, honestly
|{t} is a joke compared to {t}|i embarrassed myself at {t}|this sub can be toxic|i was sick all week|my back is killing me|he killed it at {t}|you can kill the boss with {t}|shoot first, then run|the gun does more damage with {t}
|{t} died on me after a week|my phone is dead|dead game, sadly|my grandfather died of cancer|she survived cancer|the patient died in hospital|he went to prison for fraud, the report says|the film is about a killer
|i burned the cake|burn the wood slowly|i choked up at the ending|{t} beat {t} 3-1|we got smashed 5-0|that joke was {g}|fake leather, {m} but {g}|is {t} fake?|the brain needs sleep|crazy how {g} that is|nasty scratch on {t}
|the weather is awful today|traffic was horrible|my hands hurt after {t}|what a creepy movie, {g}|the villain is evil and {g}|demon slayer is {g}|i play a witch with {t}|the pig is {g}|rats, i missed it|guinea pigs are {g}
|the monster in {t} was {g}|i'm a fat cat person|fat free milk|low fat yoghurt|lies of p is {g}|the baby pooped again|get this fraud charge off my card, please|somebody stole my bike|someone stole my card|i think i was scammed, can you help?
|is this a scam?|cheat sheet for {t}|cheat day today|racism is wrong|sexism at work is a problem we have to talk about|the documentary on nazis was {g}|history class about hitler and stalin|corruption is a problem in our country"""
SPITE = """nobody asked {w}, you {n}|nobody asked for your opinion|did your mother drop you on your head?|your mother must be so ashamed|people like {w} should not be allowed to breed|people like you are the problem, {n}|the world would be better without {w}|do the world a favour and disappear
|you will regret the day you were born|you will pay for this, i promise|i will come to your house|i'll smash your face in|i'll break your neck|come here and i'll knock your teeth out|{w} should be sent back on a boat|send {w} back where they came from|{w} should be wiped out|{w} breed like rats|{w} are a plague|{w} are animals
|{w} are vermin and should be treated like it|the only good {n} is a dead one|lock {w} in a cage|{w} only got the job on her knees|she opened her legs for the job|{w} looks like a dog|{w} looks like a pig in a dress|your wife looks like a cow|your girlfriend is ugly|your kids are as ugly as you are|{w} is as thick as a brick
|{w} has the brain of a worm|{w} is twice as ugly as stupid|sad excuse for a human being|excuse for a man|lick my balls|kiss my arse|i would let her sit on my face|i'd spank her all night|open your mouth and take it|get on your knees|shut your mouth|shut your filthy mouth|shut your ugly face|go play in traffic|go jump in a lake and stay there
|go choke|get a life, {n}|get back to your basement|crawl back to mommy|{w} can't even tie his shoes|{w} is too dumb to vote|{w} are too {a} to drive|women are too dumb for this|{w} don't deserve to live|{w} do not deserve any rights|somebody beat some sense into {w}|his wife should slap him|burn their houses down|put them all against the wall
|put a bullet in {w}|i hope {w} gets hit by a bus|i hope your family dies|hope you lose everything|may you rot|worst human being alive|{w} is a {a} old {n}|dried up old {n}|blind {a} {n}|{a} {a} {n}|what a {a} excuse|{w} is a waste of skin|{w} disgrace their parents|{w} was a mistake|your parents should have used a condom|absolute {n}|total {n}|utter {n}|complete and utter {n}"""
CONTEXT = """two men were arrested for the murder of a shopkeeper, police said|the suspect was charged with murder|the court sentenced the man who shot the officer|a witness saw the stabbing|the bombing of the city in the war destroyed the old town|soldiers were killed in the attack, the report says|the museum shows the history of slavery|a documentary about the nazis
|the rapist was sent to prison for ten years, the court said|a report on sexual abuse in schools|police investigate the death of a student|the jury found him guilty of killing his wife|the history of the lynchings has to be taught|the minister died at the age of ninety|people died of the disease last year|the treatment for breast cancer has improved|what are the symptoms of cancer?
|the doctor examined the breast|the doctor examined his penis|is it normal for my age to think about sex?|questions about sexual health|my doctor says i am too fat|an infection of the vagina is common|the patient died after surgery|a nurse talked about suicide prevention|if you think of suicide, call this number|my father died of cancer|my grandmother died last week|our dog died, i miss him
|the dog was hit by a car but will be fine|rats in the cellar, what can i do?|how do i get rid of cockroaches?|the cows are on the field|my dog is a good boy|the snake is not dangerous|monkeys at the zoo are {g}|the cock crowed at five|dick is his first name|moby dick is a {g} book|beat the eggs|beat the eggs and chop the onions|burn the sugar slowly in the oven|kill the heat and cook the egg
|the villain strangles his brother in the last scene|the killer is the butler|that was a killer song|this song slaps|killer concert, what a night|he shot the winning goal|shoot me a mail|i would kill for a coffee|kill the boss on level five|my character dies in every level|we got beaten in the last match|our team was crushed, but the kids had fun|the exam was brutal|this game is stupid hard
|i was such a fool to sell it|i am an idiot, i forgot the key|i felt so stupid|don't be afraid to ask dumb questions|stop being so hard on yourself|you are not stupid|you are not ugly, you are {g}|you look {g} in that dress|you did {g}|my brother is gay and his wedding was {g}|women were not allowed to vote until then|can a muslim eat here?|black people in the history of jazz|jewish holidays this year
|immigrants opened a {g} restaurant|is it racist to ask where someone comes from?|racism is a problem at work|he kicked his drug habit, so proud of him|damn, these cookies are {g}|damn, that was close|what the hell happened to {t}?|holy crap, {t} was {g}|this is the worst {t} i ever had|i hate how slow {t} is|i hate february|{t} is a disaster|the plan is a disaster for farms|i disagree with every word of {t}
|{w} made the wrong call|{w} lied about the budget, the article says|{w} should resign|i will never vote for {w}|i do not trust {w}|my ex keeps calling me, what can i do?|my husband hit me, where do i find help?|he was bullied at school|she was called names because she is black|they called me an idiot and it hurt|please do not call people {n}s|calling somebody a {n} is not okay|he said that i am {a}, and i cried
|take your shoes off|keep your mouth open, said the dentist|my knees hurt|wash your face|open your mouth and say ah|the baby's first teeth|go home and rest|get back to me tomorrow|shut the window|eat your vegetables|your mother is a {g} cook|your kids are {g}|your family must be proud|my wife looks {g}|i hope your family is well|i hope you find it|you will not regret it|i will find you at the station|i will pay tomorrow"""
LINKS = [". ", "! ", ", ", " and ", " because ", "... ", " - ", "\n", " so "]
MARKS = [
    "",
    "",
    "",
    ".",
    "!",
    "!!!",
    "?",
    "..",
    " lol",
    " smh",
    " 🤡",
    " 😂",
    " #facts",
    " ffs",
    " 👏",
    " ❤️",
    " tbh",
    " imo",
]


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.replace("\n", " ").split("|")]


GROUPS = """jews|muslims|christians|hindus|black people|white people|asians|arabs|mexicans|immigrants|refugees|foreigners
|gypsies|gay people|lesbians|trans people|women|men|feminists|the disabled|old people|teenagers|poor people|the homeless|poles|turks|indians|chinese people|americans|russians"""
GROUP = "gay|trans|lesbian|jewish|muslim|black|asian|arab|mexican|disabled|foreign|bisexual"
JOBS = "teacher|driver|nurse|cook|writer|singer|doctor|manager|coach|programmer|journalist|waiter|painter|lawyer|cop|plumber"
MILDER = "fool|clown|liar|coward|donkey|chicken|witch|monster|snob|cheat"
PARTS = {
    "w": _list(NAMES), "n": _list(NOUNS), "a": _list(BADJ), "t": _list(TOPICS), "g": _list(GOOD),
    "m": _list(MILD), "grp": _list(GROUPS), "grpadj": _list(GROUP), "job": _list(JOBS), "mildn": _list(MILDER),
} | guard_requests.WORDS  # fmt: skip
HATE = {
    "claims": _list(CLAIMS), "verbs": _list(VERBS), "threats": _list(THREATS),
    "lewd": _list(LEWD), "spite": _list(SPITE), **parts("harmful"),
}  # fmt: skip
"""What is said in hostile texts, by family."""
HARM = HATE | ASKED
"""What is said in harmful texts, by family."""
SWEAR = ("fuck", "shit", "damn", "suck", "hate", "puke", "disgust", "hell", "smells", "dick", "bull", "wtf", "ashamed", "shame",
         "disgrace", "dropped", "zoo", "jail", "belong here", "ruining", "destroying", "slept", "knees", "kitchen", "brainwashed",
         "joke", "flushed", "his ass", "her ass", "boots", "devil", "evil", "cancer", "ill", "dead", "crook", "lock", "babies",
         "brain", "sick", "screw", "nobody", "hole", "shut", "nothing", "cry")  # fmt: skip
"""Claims with one of these are harmful whatever stands in their places."""
TWINS = [one for one in _list(CLAIMS) if not any(word in one for word in SWEAR)]
KIND = {"n": _list(PEOPLE), "a": _list(GOOD) + _list(MILD)}
FINE = {
    "chatty": _list(CHATTY), "casual": _list(CASUAL), "calm": _list(CALM), "wishes": _list(WISHES),
    "context": _list(CONTEXT), "twins": TWINS,
} | {f"{name}s": some for name, some in parts("harmless").items()} | ALARMING  # fmt: skip
"""What is said in harmless texts, by family. Twins are harmful sentences with nothing harmful in
them: what is left must mean nothing."""


def sentence(rng: np.random.Generator, families: Families) -> str:
    """One sentence of these families."""
    family, text = said(rng, families)
    return filled(rng, text, PARTS | KIND if family == "twins" else PARTS)


def _fine(rng: np.random.Generator, fine: Families) -> str:
    return talk(rng) if rng.random() < TALK else sentence(rng, fine)


def _written(rng: np.random.Generator, text: str, hide: bool) -> str:
    """As people type: shouting, slips, letters hidden behind signs."""
    roll = rng.random()
    if roll < 0.15:
        text = text.upper()
    elif roll < 0.5:
        text = text[:1].upper() + text[1:]
    if hide and rng.random() < 0.12:
        for plain, sign in (("u", "*"), ("i", "1"), ("o", "0"), ("s", "$"), ("a", "@")):
            if rng.random() < 0.4:
                text = text.replace(plain, sign, 2)
    return text + str(rng.choice(MARKS))


TALK = 0.35
"""Of harmless sentences, those about nothing."""
SHARE = 0.4
"""Of harmful texts."""


def content(
    rng: np.random.Generator, families: Families = HARM, fine: Families = FINE
) -> tuple[str, str]:
    """One text and its label."""
    harmful = bool(rng.random() < SHARE)
    parts_said = [_fine(rng, fine) for _ in range(int(rng.choice([0, 0, 0, 1, 1, 2, 4])))]
    own = sentence(rng, families) if harmful else _fine(rng, fine)
    parts_said.insert(int(rng.integers(0, len(parts_said) + 1)), own)
    text = parts_said[0]
    for part in parts_said[1:]:
        text += str(rng.choice(LINKS)) + part
    return _written(rng, text, harmful), "harmful" if harmful else "harmless"
