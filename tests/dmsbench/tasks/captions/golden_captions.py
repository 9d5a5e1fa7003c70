"""Captions whose scores other programs gave: see each constant for which."""

from __future__ import annotations

#: A prediction and its references, an image each. The words are those of the tokeniser already.
CAPTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "a man riding a wave on a surfboard",
        ("a man riding a wave on top of a surfboard", "a surfer rides a large wave in the ocean"),
    ),
    (
        "a dog with a ball",
        (
            "a brown dog catches a yellow ball in the park",
            "the dog is playing with a ball",
            "a dog with a ball",
        ),
    ),
    (
        "two cats cats cats sleeping on on a couch",
        ("two cats are sleeping on a couch", "a pair of cats asleep on the sofa next to a cushion"),
    ),
    ("a red bus", ("a red double decker bus drives down a city street", "a bus on the street")),
    ("pizza", ("a pizza with cheese and olives on a table", "pizza")),
    ("", ("a man standing in a kitchen preparing food",)),
    ("zebras giraffes elephants", ("a man riding a bicycle down the street", "a cyclist in the city")),
    (
        "the man 's dog does n't sit on the man 's chair in the park next to the street and the ocean",
        ("the man 's dog sits on the chair", "a dog on a chair"),
    ),
    ("a a a a a a", ("a red circle at the top left and a blue square at the centre",)),
    (
        "a blue square at the centre and a red circle at the top left",
        ("a red circle at the top left and a blue square at the centre",),
    ),
)

#: sacrebleu 2.6.0, ``BLEU(tokenize="none", effective_order=True)`` (smoothing exp), each caption by itself.
SACREBLEU_SENTENCE = (
    67.5291821812656,
    100.0,
    25.098621243978968,
    32.34325178227722,
    100.0,
    0.0,
    0.0,
    13.364127603112498,
    2.544354209531657,
    81.4706400062663,
)
#: sacrebleu 2.6.0, ``BLEU(tokenize="none", smooth_method="none")``: the score and what it is made of.
SACREBLEU_CORPUS = 39.483859134637214
SACREBLEU_CORPUS_COUNTS = ((46, 31, 19, 13), (71, 62, 54, 46), 71, 76)
#: pycocoevalcap 1.2, ``Bleu(4)`` of the corpus, which adds 1e-9 to each total.
COCO_CORPUS_BLEU4 = 0.3948385913338548
#: pycocoevalcap 1.2, ``Rouge()``.
COCO_ROUGE = (
    0.8714285714285713,
    1.0,
    0.7672955974842767,
    0.5304347826086957,
    1.0,
    0.0,
    0.0,
    0.509546539379475,
    0.18654434250764526,
    0.5,
)
#: pycocoevalcap 1.2, ``Cider()``, which clips and penalises length as CIDEr-D does.
COCO_CIDER = (
    3.39379193214444,
    4.698751424037198,
    1.4873058786768565,
    1.1828194929160611,
    1.4832835458281415,
    0.0,
    0.0,
    0.0835486807760506,
    0.0,
    7.772044786030342,
)
#: sacrebleu 2.6.0, ``CHRF()`` (6 characters, no words, β 2), each caption by itself.
SACREBLEU_CHRF = (
    76.75075668672086,
    100.0,
    67.95525341492598,
    12.961765617792295,
    100.0,
    0.0,
    11.984639878292487,
    45.833310716954514,
    2.5773195876288657,
    90.74484918519296,
)

#: Captions with the words that Stanford's PTBTokenizer of CoreNLP 3.4.1 makes of them with ``-preserveLines
#: -lowerCase``, less those that pycocoevalcap 1.2 drops; words joined by blanks.
STANFORD_WORDS: tuple[tuple[str, str], ...] = (
    ("A man riding a wave on top of a surfboard.", "a man riding a wave on top of a surfboard"),
    (
        "The dog's bowl isn't full; it can't eat, won't move -- and doesn't care...",
        "the dog 's bowl is n't full it ca n't eat wo n't move and does n't care",
    ),
    (
        "A woman in a t-shirt (red) holds a 12-inch pizza at 7:30 p.m. in the U.S.",
        "a woman in a t-shirt -lrb- red -rrb- holds a 12-inch pizza at 7:30 p.m. in the u.s.",
    ),
    ('"Stop" sign & a $5.00 bill; 50% off! #1 @home', "stop sign & a $ 5.00 bill 50 % off # 1 @home"),
    (
        "Two dogs' bowls and the Jones' car, 'em and rock 'n' roll o'clock",
        "two dogs bowls and the jones car 'em and rock 'n' roll o'clock",
    ),
    (
        "I cannot believe they're gonna wanna gimme lemme gotta d'ye more'n tis 'tis twas",
        "i can not believe they 're gon na wan na gim me lem me got ta d'ye more 'n tis 't is twas",
    ),
    (
        "Mr. Smith vs. Mrs. Jones etc. at St. Mary's. Dr. No.",
        "mr. smith vs. mrs. jones etc. at st. mary 's dr. no",
    ),
    (
        "He said “hello” and ‘bye’ — the end – done… café naïve",
        "he said hello and bye the end done café naïve",
    ),
    (
        "1/2 of a 3/4 cup, 1,000 people, 3.14, -5 degrees, 20x30",
        "1/2 of a 3/4 cup 1,000 people 3.14 -5 degrees 20x30",
    ),
    ("an image of a cat/dog and/or bird", "an image of a cat/dog and/or bird"),
    (
        "I'll we've you'd I'm he's she'd've y'all ain't shouldn't",
        "i 'll we 've you 'd i 'm he 's she 'd 've y' all ai n't should n't",
    ),
    (
        "hello_world a*b c+d e=f [brackets] {braces} ~tilde ^hat |pipe|",
        "hello_world a * b c + d e = f -lsb- brackets -rsb- -lcb- braces -rcb- ~ tilde ^ hat | pipe |",
    ),
    ("1990's '90s 90s", "1990 's '90s 90s"),
    ("a man.and a dog", "a man.and a dog"),
    ("??!! , . ; : - -- '", "??!!"),
    ("don’t it’s", "do n't it 's"),
    ("a.. b ... c.... d", "a. b c. d"),
    ("what?! wow!!! hey!? really?", "what ?! wow !!! hey !? really"),
    ("rock'n'roll o'neill c'mon", "rock 'n' roll o'neill c'mon"),
    ("he said 'hello there' to 'em.", "he said hello there to 'em"),
    ("red-and blue- -red red--blue", "red-and blue red red blue"),
    ("5'10\" 6' 7\"", "5 10 6 7"),
    ("a/b c / d", "a/b c / d"),
    ("no. the no. of No. 1", "no the no of no. 1"),
    (
        "Little boy sits in car 's driver 's seat , grabbing the wheel .",
        "little boy sits in car 's driver 's seat grabbing the wheel",
    ),
    ("two people,one dog;a cat:a rat", "two people one dog a cat a rat"),
    ("vitamin c.", "vitamin c."),
)
