"""Synonyms that keep the right answer, and words that carry little.

Written by hand. Not in the list, on either side: colours, shapes, sizes, materials, directions, numbers,
negations, and what else is a frequent answer to a question about a picture (man, car, sitting, happy):
a model may answer in the words of the question. Synonyms have the inflection of their word and take the
same objects and prepositions ("look like" and "how old" have none).
"""

from __future__ import annotations

from corruptions.text.tables import word_table

__all__ = ["STOPWORDS", "SYNONYMS"]

SYNONYMS = word_table("""
image: picture photo; images: pictures photos; picture: image photo; pictures: images photos;
photo: picture image; photos: pictures images; photograph: picture image; photographs: pictures images;
pic: picture photo; scene: setting view; image's: picture's; picture's: image's; photo's: picture's;
color: colour hue; colors: colours hues; colour: color hue; colours: colors hues;
coloured: colored; colored: coloured; shape: form figure; shapes: forms figures; shaped: formed;
kind: type sort; kinds: types sorts; type: kind sort; types: kinds sorts; sort: kind type;
sorts: kinds types; object: item thing; objects: items things; item: object article;
items: objects articles; thing: object item; things: objects items; part: portion section;
parts: portions sections; area: region zone; areas: regions zones; region: area zone;
regions: areas zones; zone: area region; place: location spot; places: locations spots;
location: place spot; locations: places spots; position: location; edge: border; edges: borders;
border: edge; borders: edges; people: persons individuals; persons: individuals people;
individuals: persons people; someone: somebody; somebody: someone;
anyone: anybody; anybody: anyone; everyone: everybody; everybody: everyone; children: youngsters;
animal: creature; animals: creatures; creature: animal; creatures: animals; vehicle: conveyance;
vehicles: conveyances; structure: construction; structures: constructions; surface: exterior;
surfaces: exteriors; clothing: apparel attire; clothes: apparel attire; garment: article_of_clothing;
garments: articles_of_clothing; food: nourishment; beverage: drink; beverages: drinks;
activity: pursuit; activities: pursuits; event: occasion; events: occasions; reason: cause;
purpose: aim goal; brand: make; emblem: logo; logo: emblem; logos: emblems; text: writing wording;
word: term; words: terms; pattern: design; patterns: designs; amount: quantity; quantity: amount;
question: query; questions: queries; information: details; camera: lens; emotion: feeling;
emotions: feelings; expression: look; mood: atmosphere; weather: meteorological_conditions;
species: breed; breed: species; piece: bit; pieces: bits; pair: couple; group: cluster; groups: clusters;
crowd: throng; room: chamber; rooms: chambers; furniture: furnishings; equipment: gear; gear: equipment;
device: gadget; devices: gadgets; appliance: device; appliances: devices; tool: implement;
tools: implements; container: receptacle; containers: receptacles; decoration: ornament;
decorations: ornaments; ingredient: component; ingredients: components; landmark: notable_place;
country: nation; company: firm; job: occupation; occupation: job; profession: occupation;
hobby: pastime; caption: description; detail: particular; details: particulars; feature: characteristic;
features: characteristics; style: manner; theme: subject; topic: subject; title: heading; symbol: emblem;
symbols: emblems; message: communication; backdrop: setting; setting: scene; view: sight;

show: depict display; shows: depicts displays; showing: depicting displaying; shown: depicted displayed;
depict: show display; depicts: shows displays; depicting: showing displaying; depicted: shown displayed;
display: show depict; displays: shows depicts; displayed: shown depicted; contain: include hold;
contains: includes holds; containing: including holding; contained: included held; include: contain;
includes: contains; including: containing; see: spot notice; seen: spotted observed; sees: spots notices;
spot: notice; appear: seem; appears: seems; seem: appear; seems: appears; looking: gazing peering;
observe: see notice; observed: seen noticed; notice: see spot; noticed: seen spotted; view: scene;
wearing: sporting; wear: sport; wears: sports; worn: sported; holding: gripping grasping;
holds: grips grasps; carrying: bearing; carries: bears; using: employing; uses: employs;
located: situated placed; situated: located placed; placed: positioned put; positioned: placed located;
attached: fastened fixed; fastened: attached; covered: coated; captured: taken; constructed: built;
built: constructed; find: discover locate; found: discovered located; identify: determine recognise;
describe: characterise; describes: characterises; happening: going_on occurring;
occurring: happening taking_place; trying: attempting; tries: attempts; attempting: trying;
preparing: getting_ready; participating: taking_part; gathered: assembled; surrounding: encircling;
surrounded: encircled; resembles: is_like; resemble: be_like; indicate: suggest; indicates: suggests;
suggest: indicate; suggests: indicates; represent: stand_for; represents: stands_for; consists: is_composed;
belong: pertain; belongs: pertains; connect: link; connected: linked; arranged: organised;
decorated: adorned; mounted: fixed; hung: suspended; pictured: shown depicted; photographed: captured;

visible: noticeable observable; noticeable: visible; same: identical; identical: same;
different: distinct; distinct: different; similar: alike; matching: corresponding; entire: whole;
whole: entire; several: various; various: several; numerous: lots_of; additional: further;
correct: accurate; accurate: correct; main: principal chief; primary: principal main; principal: main;
certain: particular; specific: particular; particular: specific; entirely: wholly; completely: entirely;
currently: presently at_present; presently: currently; approximately: roughly; roughly: approximately;
exactly: precisely; precisely: exactly; mostly: mainly; mainly: mostly; probably: presumably;
perhaps: maybe; maybe: perhaps; usually: normally; normally: usually; often: frequently;
nearby: close_by; together: jointly; directly: immediately; clearly: plainly;
unusual: odd; strange: odd; odd: strange; famous: renowned; popular: well-liked; typical: usual;
important: significant; possible: conceivable; available: obtainable; suitable: appropriate;
appropriate: suitable; dangerous: hazardous; expensive: costly; hazardous: dangerous; partially: partly;
partly: partially; fully: completely; also: additionally; actually: in_fact; because: since; while: whilst;
require: need; requires: needs; need: require; needs: requires; allow: permit;
allowed: permitted; begin: start; begins: starts; start: begin; help: assist; helps: assists;
provide: supply; provides: supplies; choose: select; chosen: selected; select: choose; mention: state
""")

_STOPWORDS = """
    a an the this that these those is are was were be been being am do does did has have had can could
    will would shall should may might must there it its i you he she we they me him her us them my your
    his our their of to for by with from as at than then so very too also just any some such
"""

STOPWORDS = frozenset(_STOPWORDS.split())
"""English words whose loss a reader hardly notices: no question words, no "and" or "or", no "in" or "on"."""
