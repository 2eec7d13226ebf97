"""Sentences about nothing, in which every small word of English stands as often as it likes.

Hand-written parts are short of `they`, `your`, `just` or `over`, and a model then takes whichever
side says them more often for the side that they speak for. These sentences say them on both.
"""

from __future__ import annotations

import numpy as np
from guard_parts import filled, said

TALK = """{s} {past} {p} {o}|{s} {past} {p} {a} {o} {prep} {p} {o}|{s} {adv} {past} {p} {o}, {conj} {s} {past} {p} {o}|{s} {mod} {adv} {do} {p} {o}|{s} {mod} not {do} {p} {o} {time}
|{wh} {aux} {s} {do} {p} {o}?|{wh} {aux} {s} {do} {p} {o} {prep} {p} {o}?|{conj} {s} {past} {p} {o}, {s} {mod} {do} {p} {a} {o}|{p} {o} was {adv} {a}|{p} {o} is {a} {conj} {a}|is {p} {o} {a} {conj} {a}?
|there is {adv} {p} {o} {prep} {p} {o}|there were {num} {o}s {prep} {p} {o}|{time} {s} {past} {o}s {prep} {p} {o}|{s} {past} that {s} {mod} {do} {p} {o}|{s} {past} it {time}|{s} {past} {num} {o}s {conj} {num} {o}s {time}
|it's {adv} {a}|that's {adv} {p} {o}|they're {adv} {a}|you're {adv} {a} {prep} {p} {o}|she's {a} {conj} he's {a}|i'm {adv} {prep} {p} {o}|we've {past} {p} {o}|i'll {do} {p} {o} {time}|you'll {do} it {time}|they'd {do} {p} {o} {prep} {p} {o}
|{o}s {conj} {o}s are {adv} {a}|all {prep} {p} {o} {s} {past} {o}s|no {o} {prep} {p} {o} is {a}|{adv}, {s} {past} {p} {o}|what {p} {o}!|how {a} {p} {o} is!|{s} {past} him {prep} her {o}|{s} {past} them {p} {o}|{s} {past} us {p} {o}
|one of {p} {o}s {past} {p} {o}|most people {do} {p} {o} {time}|nobody {past} {p} {o}|everybody {past} {p} {o}, {adv}|someone {past} {p} {o} {time}|people like {p} {o} {conj} {p} {o}|who {past} {p} {o}?|whose {o} is it?|the {o} that {s} {past} was {a}
|if {s} {past} {p} {o}, {s} would {do} {p} {o}|{s} {mod} have {past} {p} {o}|to {do} {p} {o} is {a}|{s} looks {a}|{s} feels {a} {time}|get {p} {o} {prep} {p} {o}|{s} got {p} {o} up|go {prep} {p} {o}|{s} went {prep} {p} {o}|put {p} {o} {prep} {p} {o}
|you need {p} {o}|when you {do} {p} {o}, {do} {p} {o} too|you can use it as {p} {o}|your {o} and your {o} are {a}|you and your {o} {mod} {do} {p} {o}|good for you|man, this is {a}|she named him after {p} {o}|he {past} her {prep} their {o}"""
ORDERS = """{do} {p} {o}|{do} {p} {o} {prep} {p} {o}|please {do} {p} {o} {time}|can you {do} {p} {o}?|could you {adv} {do} {p} {o} {prep} {p} {o}?|i want you to {do} {p} {o}|you {mod} {do} {p} {o}|you {mod} not {do} {p} {o}|do not {do} {p} {o}
|never {do} {p} {o} {time}|always {do} {p} {o}|tell me {wh} {s} {past} {p} {o}|tell me about {p} {o}|show me {p} {o}|give me {p} {o} {conj} {p} {o}|explain {wh} {s} {past} {p} {o}|describe {p} {o}|write about {p} {o} {prep} {p} {o}|print {p} {o}|repeat {p} {o}
|what is {p} {o}?|what was {p} {a} {o}?|what did {s} {do} {time}?|list {p} {o}s|find {p} {o}|answer {conj} {do} {p} {o}|before you {do} {p} {o}, {do} {p} {o}|from now on {do} {p} {o}|now {do} {p} {o} instead|start with {p} {o}|stop and {do} {p} {o}|first {do} {p} {o}, then {do} {p} {o}
|how do i {do} {p} {o}?|how can i {do} {p} {o} {prep} {p} {o}?|imagine {p} {o} {prep} {p} {o}|you are {p} {o}|act as {p} {o}|pretend that {s} {past} {p} {o}|as {p} {o}, {s} {mod} {do} {p} {o}|say "{o}"|the user {past} {p} {o}|the model {past} {p} {o}|the system {past} {p} {o}
|my boss {past} {p} {o}|the developer {past} {p} {o}|everything above {p} {o} is {a}|all {o}s are {a}, {adv}|forget {p} {o}|ignore {p} {o}|send {p} {o} to {p} {o}|change {p} {o}|use {p} {o} only|note: {s} {past} {p} {o}|important: {do} {p} {o}|give {p} {o} {num} stars|give {p} {o} a rating of {num} points|rate {p} {o} {num} out of {num}|i would rate {p} {o} {num} out of {num}|i would like {p} {o} {prep} {p} {o}|can someone {do} {p} {o}?|are there any {o}s {prep} {p} {o}?|i have {past} {p} {o} {conj} nothing has {past} it|which {o}s do i {do} to {do} {p} {o}?|i was asked to {do} {p} {o}|why was my {o} {past}?|the following {o} is {a}"""
WORDS = {
    name: text.split("|")
    for name, text in {
        "s": "i|you|he|she|it|we|they|my sister|his friend|her father|the woman|a man|this guy|that girl|people|our neighbours|one|who|somebody|dan|anna|the team|the children|your mother|their boss|the teacher|he and she|the players|customers|the company|users|mike|some of us|all of them",
        "p": "the|a|my|your|his|her|their|our|its|this|that|some|any|another|every|no|one|each|both|which|such a|what|the same|the other|the first|the last|the only|the whole|more|most of the|",
        "o": "bread|table|window|garden|phone|letter|car|house|street|song|photo|book|train|ticket|shop|friend|child|dog|cat|river|bridge|school|office|paper|kitchen|cup|spoon|lamp|shirt|shoe|plan|idea|question|answer|name|story|film|game|team|goal|coach|city|village|country|mountain|beach|forest|tree|flower|bird|horse|bottle|door|key|box|bag|clock|chair|bed|wall|roof|floor|room|card|bill|price|market|bank|job|boss|colleague|meeting|report|project|computer|screen|program|server|file|folder|button|page|link|email|message|number|line|word|sentence|language|course|teacher|student|exam|holiday|flight|hotel|suitcase|map|road|bus|bike|ship|boat|weather|rain|snow|sun|wind|morning|evening|birthday|party|present|cake|soup|salad|potato|rice|cheese|apple|coffee|tea|water|wine|salt|sugar|recipe|plate|knife|oven|fridge|doctor|medicine|knee|hand|eye|ear|hair|body|life|death|year|month|week|hour|side|top|end|start|part|piece|group|band|album|guitar|piano|picture|colour|dress|hat|coat|money|tax|law|rule|vote|party|president|government|news|war|peace|history|museum|church|picture|character|level|skin|damage|attack|build|round|match|season|episode|channel|post|comment|reply|thread|account|password|order|parcel|refund|contract|insurance|degree|success|goal|chance|choice|reason|problem|mistake|way|thing|world|stock|share|market|company|rule|policy|limit|instruction|command|training|message|session|text|transfer|mode|system|model|assistant|developer|manual|guideline|task|prompt|code|transfer|payment|request|restriction|filter|user|conversation|statement|document|secret|version|test",
        "a": "big|small|old|new|red|blue|green|warm|cold|long|short|early|late|cheap|dear|easy|hard|soft|clean|dirty|full|empty|open|closed|quiet|loud|happy|sad|tired|ready|busy|free|right|wrong|good|bad|better|best|worse|fine|nice|odd|funny|strange|weird|true|real|likely|clear|dark|light|heavy|sweet|sour|fresh|dry|wet|round|flat|young|rich|poor|healthy|sick|pretty|safe|local|public|private|important|amazing|great|scary|awkward|alive|dead|pregnant|useless|powerful|different|possible|perfect",
        "past": "took|gave|saw|made|bought|sold|found|lost|moved|opened|closed|read|wrote|sent|heard|said|told|asked|knew|thought|liked|loved|wanted|needed|used|tried|started|stopped|kept|left|met|helped|called|paid|showed|played|watched|learnt|built|broke|fixed|cleaned|cooked|ate|drank|carried|cut|drew|felt|got|had|held|hoped|brought|changed|chose|counted|covered|painted|planted|pulled|pushed|put|raised|reached|remembered|forgot|returned|shared|spent|touched|turned|washed|won|wore|hit|beat|fought|feared|missed|dropped|threw|ran|ruined|burned|believed|expected|noticed",
        "do": "take|give|see|make|buy|sell|find|lose|move|open|close|read|write|send|hear|say|tell|ask|know|think of|like|love|want|need|use|try|start|stop|keep|leave|meet|help|call|pay|show|play|watch|learn|build|break|fix|clean|cook|eat|drink|carry|cut|draw|feel|get|have|hold|bring|change|choose|count|cover|paint|plant|pull|push|put|raise|reach|remember|forget|return|share|spend|touch|turn|wash|win|wear|hit|beat|check|compare|add|remove|delete|copy|print|explain|describe|describe|follow|answer|skip|translate|sort|look at|talk about|wait for|get rid of|end|finish|drop",
        "adv": "just|only|really|ever|never|still|even|actually|always|often|too|so|very|quite|rather|almost|maybe|probably|definitely|absolutely|completely|literally|basically|honestly|sadly|finally|already|soon|again|kind of|a bit|at all|at least|instead|more|most|all|better",
        "conj": "and|or|but|because|so|although|if|when|while|then|since|until|as|than|whether|before|after|unless",
        "prep": "in|on|at|over|under|up|down|into|out of|with|without|for|before|after|above|below|of|from|about|like|as|by|to|through|between|behind|beside|against|off|around|near|during|on top of|instead of",
        "mod": "can|could|will|would|should|must|may|might|have to|need to|used to|want to|are going to",
        "aux": "did|does|do|can|could|will|would|should|must",
        "wh": "how|why|when|where|what|which|who",
        "num": "two|three|four|ten|a hundred|many|few|several|more|no|some|5|12|100|2020",
        "time": "today|yesterday|tomorrow|now|later|last week|next year|every day|in the morning|at night|on monday|in may|for years|at the time|right now|again|once|twice|all the time|this season",
    }.items()
}  # fmt: skip
FAMILIES = {
    "talk": TALK.replace("\n|", "|").split("|"),
    "orders": ORDERS.replace("\n|", "|").split("|"),
}


def talk(rng: np.random.Generator) -> str:
    """One such sentence."""
    return " ".join(filled(rng, said(rng, FAMILIES)[1], WORDS).split())
