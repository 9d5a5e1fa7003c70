"""Common misspellings of English words, those of questions about pictures above all.

Written by hand from general knowledge: dropped and doubled letters, letters in the wrong order, words
spelt as they sound, and homophones (their, its, whose).
"""

from __future__ import annotations

from corruptions.text.tables import word_table

__all__ = ["MISSPELLINGS"]

_QUESTION_WORDS = """
about: abuot abbout; according: acording acordding; actually: actualy acctually; again: agian;
all: al; also: allso; and: adn nad; another: anouther anothr; answer: anser awnser answear;
any: eny ani; anyone: anyon enyone; are: aer r ar; at: ta; available: availible avaliable; be: bee;
because: becuase becouse; been: bean; being: beeing; believe: beleive belive; both: bothe boht;
but: btu; by: bi; can: cna kan; color: collor coler colur; colors: collors colers colurs;
colored: collored colerd; colour: coulour colur; colours: coulours colurs; compared: comparred compaired;
contain: contian contane; contains: contians contanes; could: coud cuold; depict: depcit; did: didd;
describe: discribe descirbe; different: diffrent diferent; difference: diffrence diferance; do: doo;
does: dose deos dos; doing: dooing doign; each: eech eahc; either: iether eether; every: evry everry;
everyone: everone everyon; exactly: exactally exacly; find: finde fnid; following: folowing; for: fro;
from: form frm; given: givin; has: haz hass; have: hav haev; he: hee; her: hur; here: hear heer;
his: hiz; how: hwo hoe; identify: indentify identifiy; if: fi; image: imgae iamge immage;
images: imgaes immages; in: ni; is: iz si; it: ti; its: itz; kind: kinde knid; kinds: kindes;
know: kno nkow; likely: likley likly; list: lsit; located: loacted locatted; location: loaction;
look: lok loook; looking: loking lookin; looks: loks; made: maed mad; many: meny manny mnay;
match: mach; me: mee; might: mihgt mite; much: mutch muhc; name: naem nmae; object: objcet obejct;
objects: objcets obejcts; of: fo uv; on: onn; or: ro; other: otehr othr; others: otehrs;
people: poeple peple pepole; person: preson persen; persons: presons; photo: foto phto; photos: fotos;
photograph: photagraph fotograph; picture: pictuer picutre; pictures: pictuers picutres;
please: plese pleese; possible: posible possable; probably: probly probaly; question: qestion queston;
really: realy relly; same: saem smae; scene: sceen seen; see: se sea; seem: seam; seen: sene scene;
shape: shaep shpae; shapes: shaeps shpaes; she: hse; should: shoud shuold; show: shwo sho;
showing: shwoing; shown: shwon shone; shows: shwos; similar: similiar simular; size: sise siez;
some: som soem; someone: somone someon; something: somthing somehting; tell: tel; than: then;
that: taht thta; the: teh hte; their: thier there; them: tehm; then: than; there: their thier ther;
these: theese thees; they: thay tehy; thing: thign; things: thigns; this: thsi tihs; those: thoes thsoe;
to: too; together: togehter togather; type: tpye tipe; types: tpyes; using: useing usign; very: verry;
visible: visable visibel; was: wsa; we: wee; wearing: wering waering; were: wer where; what: waht wat;
when: wehn wen; where: wher whre were; whether: wether wheather; which: wich whcih witch; while: whiel;
who: hwo woh; whose: whos; why: wyh; will: wil; with: wiht whit; would: woud wuold; you: yuo u;
your: youre yuor
"""
_THINGS = """
airplane: airplain airplan; airport: airprot; animal: aniaml animel; animals: aniamls animels;
apple: aple appel; apples: aples; arrow: arow; baby: babby; background: backround backgroud;
bag: bagg; ball: bal; balloon: baloon ballon; balloons: baloons; banana: bannana bananna;
bananas: bannanas; baseball: basball; basket: baskit; bathroom: bathrom; beach: beech; bear: bare;
beautiful: beautifull beutiful; bed: bedd; bedroom: bedrom; bench: bensh; bicycle: bycicle bicicle;
bicycles: bycicles; bike: biek; bird: brid berd; birds: brids; board: bord; boat: boad baot; boats: boads;
book: bok; books: boks; bottle: botle bottel; bottles: botles; bowl: boul; box: boxx; boy: boi;
bread: braed; bridge: brige bridg; broccoli: brocolli brocoli; brush: bruch; building: bilding buliding;
buildings: bildings bulidings; bus: buss; buses: busses; cake: caek; camera: camra camara;
candle: candel; car: carr; cars: carrs; carrot: carot; carrots: carots; cat: catt; cats: catts;
ceiling: cieling ceeling; cellphone: celphone; chair: chiar cahir; chairs: chiars; cheese: chese cheeze;
child: chlid chiled; children: childern chidren; circle: cirlce circel cirkle; circles: cirlces cirkles;
city: citty; clock: clok; closet: closit; clothes: cloths cloathes; clothing: cloathing; cloud: clowd;
clouds: clowds; coat: caot; coffee: cofee coffe; computer: computor compuetr; container: contianer;
cookie: cooky; couch: coutch; counter: countor; couple: coupel; cow: cwo; cows: cwos; cube: cueb;
cup: cupp; curtain: curtian; curtains: curtians; cylinder: cilinder cylindar; desk: dest; dessert: desert;
dinner: diner; dish: dich; dog: dogg; dogs: doggs; door: dor doore; doors: dors;
dress: dres; drink: drinc; elephant: elefant elephent; elephants: elefants; eye: eey; eyes: eys;
face: fase; family: famly familly; fence: fense; field: feild; fire: fier; flag: falg; floor: flor;
flower: flowr; flowers: flowrs; food: fod; foot: fot; foreground: forground; fork: fourk; fruit: friut furit;
fruits: friuts; furniture: furnature; game: gaem; garden: gardin; giraffe: girafe jiraffe;
giraffes: girafes; girl: gril; glass: glas; glasses: glases; glove: gluv; grass: gras; ground: gruond;
group: gruop; guitar: gutair; hair: hiar; hand: hnad; hands: hnads; hat: hatt; hats: hatts; head: haed;
helmet: helmit; horse: horce; horses: horces; hotel: hottel; house: houes; houses: housses; island: iland;
jacket: jackit; keyboard: keybord; kitchen: kichen kitchin; kite: kyte; kites: kytes; knife: nife knive;
lady: laddy; lamp: lammp; laptop: labtop; leaf: leef; leaves: leafs; leg: legg; letter: leter;
letters: leters; light: lihgt lite; lights: lihgts; line: lien; lines: liens; living: liveing; logo: loggo;
luggage: lugage; machine: mashine; man: mann; meal: meel; meat: meet; men: menn; microwave: micorwave;
mirror: mirrow miror; monitor: moniter; motorcycle: motercycle motorcicle; mountain: mountian moutain;
mountains: mountians; mouse: mous; mouth: mouht; music: musik; necklace: neckless; neighborhood: nieghborhood;
newspaper: newpaper; ocean: ocaen; office: ofice offise; oven: ovin; page: paeg; pants: pantz;
paper: papper; park: parc; parked: parkt; pattern: patern; phone: fone phoen; piece: peice;
pieces: peices; pillow: pilow; pillows: pilows; pizza: piza; plane: plain; planes: plains; plant: palnt;
plants: palnts; plate: plaet; plates: plaets; player: palyer; players: palyers; pole: poll; police: polise;
purse: perse; racket: raket; rain: rane; rectangle: rectangel retangle; rectangles: rectangels retangles;
refrigerator: refridgerator refrigerater; restaurant: restaraunt resturant; river: rivver; road: raod rode;
roof: rouf; room: rom; rooms: roms; sandwich: sandwhich sanwich; school: shcool; scissors: sissors scisors;
shadow: shaddow; shadows: shaddows; sheep: sheap; shelf: shelve; shirt: shrit shert; shirts: shrits;
shoe: shoo; shoes: shooes; shop: shopp; shorts: shrots; sidewalk: sidewak; sign: sgin sine; signs: sgins;
sink: sinc; skateboard: skatebord; skiing: sking; skirt: skrit; sky: skie; snow: sno; snowboard: snowbord;
sofa: soffa; spoon: spon; sport: sprot; square: sqaure squere; squares: sqaures squeres; stairs: stares;
station: staton; statue: statute; store: stoer; stove: stoev; street: stret steet; string: stirng;
suit: siut; suitcase: suitecase; sun: sunn; surface: surfase; surfboard: surfbord; surfing: surffing;
table: tabel; tables: tabels; tail: tale; team: teem; teddy: tedy; television: televison; tennis: tenis;
text: texst; tie: tye; time: tiem; toilet: toliet toilit; tomato: tomatoe; tool: tol; tooth: toth;
toothbrush: toothbrusch; towel: towle; tower: towr; town: twon; toy: toi; track: trak; traffic: trafic;
train: trian; trains: trians; tree: treee; trees: treees; triangle: triangel trianlge; triangles: triangels;
truck: truk; trucks: truks; umbrella: umberella umbrela; umbrellas: umberellas; uniform: uniforme;
vase: vaze; vegetable: vegtable vegatable; vegetables: vegtables vegatables; vehicle: vehical vehicel;
vehicles: vehicals; wall: wal; walls: wals; watch: wach; water: watter; weather: wether whether;
wheel: weel; wheels: weels; window: windwo; windows: windwos; wine: whine; woman: women womman;
women: woman wemen; word: wrod; words: wrods; world: wrold; yard: yrad; zebra: zeebra; zebras: zeebras
"""
_DOING_AND_BEING = """
across: accross acros; against: aginst; already: allready; always: allways; appear: apear appeer;
appears: apears; around: arround aroud; attached: atached; beginning: begining; blurry: blury;
bright: brihgt; carrying: carying; catching: catchin; clean: cleen; clear: cleer; closed: closd;
cooked: coocked; covered: coverd; crossing: crosing; definitely: definately definitly; dirty: durty;
drinking: drinkin; driving: driveing; dry: drie; eating: eatting; empty: emty; enough: enuf; facing: faceing;
flying: fliying; full: ful; giant: gaint; happy: happpy hapy; heavy: hevy; height: hieght; holding: holdding;
huge: hudge; indoors: indors; interesting: intresting; jumping: jumpping; kneeling: neeling;
large: larg lareg; larger: largger; largest: largst; laying: layng; leaning: leening; length: lenght;
little: littel litle; lying: lieing; matching: maching; metal: mettle; moving: moveing; narrow: narow;
necessary: neccessary necesary; occurring: occuring; old: olde; open: opan; outdoors: outdors;
parking: parcking; playing: plaing; present: presant; pulling: puling; pushing: pushin; reading: readding;
ready: reddy; riding: rideing; running: runing; separate: seperate; several: severel; shiny: shiney;
short: shrot; sitting: siting; sleeping: sleaping; small: smal samll; smaller: smaler; smallest: smalest;
smiling: smileing; special: speical; standing: standng; straight: strait; striped: stripped; tall: tal;
taken: takn; taking: takeing; talking: takling; thick: thik; through: thru; throwing: throwin; tiny: tiney;
touching: toching; toward: twoard; towards: twoards; transparent: transparant; tropical: tropicle;
trying: tring; until: untill; usually: usualy; waiting: wating; walking: walkng; watching: waching;
wide: wied; wooden: woodden; writing: writting; written: writen; young: yuong
"""

MISSPELLINGS = word_table(";".join((_QUESTION_WORDS, _THINGS, _DOING_AND_BEING)))
