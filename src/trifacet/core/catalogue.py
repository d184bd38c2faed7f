"""Every error code: its heading in the reference, why it happens, and what helps."""

from __future__ import annotations

from trifacet.core.mishaps import MISHAPS, Entry

CATALOGUE: dict[str, Entry] = {
    "TRI100": Entry(
        "A name is not known",
        "A name (of a recipe, a backbone, a column, an option's value) is not among those that exist.",
        "Take the suggested name, or list what there is.",
    ),
    "TRI101": Entry(
        "The recipe has mistakes",
        "One or more keys are unknown or hold a value that does not fit. Every mistake is listed at once.",
        "Correct each line that is named; `trifacet config show RECIPE` prints every key with its origin.",
    ),
    "TRI102": Entry(
        "A settings file cannot be read",
        "The file does not exist, or is not valid YAML or JSON.",
        "Check the path; the message names the line where reading stopped.",
    ),
    "TRI103": Entry(
        "The label schema is not usable",
        "Attributes, class names or age edges contradict each other.",
        "Give each attribute at least two distinct classes, and one more class than it has edges.",
    ),
    "TRI104": Entry(
        "An option has a value that does not fit",
        "A command-line option could not be understood or lies outside its range.",
        "See --help.",
    ),
    "TRI105": Entry(
        "The user's own module:function cannot be used",
        "The module cannot be imported, has no such name, or returned something else than promised.",
        "Check that Python finds the module from the folder you stand in and that the name is spelled right.",
    ),
    "TRI106": Entry(
        "A settings file of another system cannot be read as a recipe",
        "It is of no system that is known, or names a network, a loss or a schedule that there is no counterpart of.",
        "Correct what is named, or write the differences into a recipe by hand: docs/how-to/migrate.md has the names.",
    ),
    "TRI120": Entry(
        "A model may not be used",
        "It sends photos to a remote service, forbids some uses, or finds something else than people.",
        "Take one that runs on this machine: u2net, u2netp, u2net_human_seg, isnet-general-use, birefnet-general, "
        "birefnet-general-lite, birefnet-portrait, or a model file of your own.",
    ),
    "TRI121": Entry(
        "A model file is not known to be the right one",
        "Its SHA-256 was not given, or is another one than was given. It was not opened.",
        "Compare it with where the file came from, and pass it as --sha256.",
    ),
    "TRI122": Entry(
        "A model file cannot be used",
        "It is no ONNX model, is damaged, lies in several files, or takes or gives something else than its session "
        "shows and expects.",
        "Check the file, and which --session it was made for.",
    ),
    "TRI123": Entry(
        "A model file is not there",
        "Models are taken from where rembg keeps them; trifacet never downloads one.",
        "Fetch the file that is named and put it where the message says.",
    ),
    "TRI124": Entry(
        "An unfinished folder cannot be gone on with",
        "Photos were being cut out into it with another model, other fills or of other data, or are at this moment.",
        "Give the same settings as then, or delete the folder NAME.part, or name another --out.",
    ),
    "TRI125": Entry(
        "A finder of faces gives answers that cannot be used",
        "The user's own module:function raises an error, or returns something else than boxes, points and scores of "
        "faces: on the plain picture that it is tried on first, or on every photo.",
        "It takes an image (H, W, 3) uint8 and returns boxes (n, 4), points (n, 6, 2) or None, and scores (n,): see "
        "docs/how-to/faces.md.",
    ),
    "TRI126": Entry(
        "A column of the source has the name of a measure of faces",
        "What is measured of faces would take the place of numbers that the source had, and these are kept.",
        "Rename the column in the source's table, and ingest it again.",
    ),
    "TRI200": Entry(
        "A manifest breaks its rules",
        "A class lies outside the schema, a photo has two rows, or an age lies off the year grid.",
        "Make it again with `trifacet ingest`, or correct the rows that are named.",
    ),
    "TRI201": Entry(
        "A person stands in two splits",
        "Photos of one person are in several splits or folds: a score would be measured on people seen in training.",
        "Split again with `trifacet split`; an image-level split needs `--allow-leak` and stamps every later score.",
    ),
    "TRI202": Entry(
        "A file is not what was asked for",
        "The file is not a table of this kind, is damaged, or was written by a newer trifacet.",
        "Pass the right file; update trifacet when the format is newer.",
    ),
    "TRI203": Entry(
        "The photos are not where the manifest says",
        "The folder of photos recorded in the manifest does not exist (any more).",
        "Put it back, or ingest the folder again.",
    ),
    "TRI204": Entry(
        "A photo changed since it was ingested",
        "A photo's bytes no longer match the hash in the manifest, or it cannot be decoded any more.",
        "Ingest the folder again, so that the manifest describes what is on disk.",
    ),
    "TRI205": Entry(
        "There is nothing to work on",
        "The folder, the manifest or the split holds no usable photo.",
        "Check the path and the rejects file, which gives each photo's reason.",
    ),
    "TRI220": Entry(
        "There is no such folder of photos",
        "The path given to `trifacet ingest` does not exist, or the folder of photos within it does not.",
        "Check the path.",
    ),
    "TRI221": Entry(
        "A table of labels cannot be read",
        "The CSV, TSV or Parquet file is empty, has no row, is damaged or is not UTF-8.",
        "Open it in an editor; save it as UTF-8 with a header and one row for each photo or person.",
    ),
    "TRI222": Entry(
        "A table of labels lacks a column",
        "A column that the layout needs, or that --map names, is not in the table.",
        "Rename the column, or say --layout table with --map WANTED=COLUMN.",
    ),
    "TRI223": Entry(
        "The layout of the photos is not clear",
        "Several layouts fit the folder, or the one asked for does not.",
        "Say --layout boostcamp, folders or table.",
    ),
    "TRI224": Entry(
        "Labels cannot be understood",
        "A gender, mask or class is not in the schema, an age is no number, numbers stand for classes in an order that "
        "is not known, or only a part of a folder's name is a class. All bad rows stand in the rejects file.",
        "Correct the rows that are named, or say what the texts mean with --map-values.",
    ),
    "TRI225": Entry(
        "A table does not name each photo once",
        "Two rows name one photo or one person's folder, or a row names none.",
        "Keep one row for each photo (or folder).",
    ),
    "TRI226": Entry(
        "Several sources hold photos of the same id",
        "Photos of two sources lie under the same path below their folders, so their ids would collide.",
        "Name the sources, as in `trifacet ingest A=one B=other`: ids then begin with the name.",
    ),
    "TRI227": Entry(
        "None of the labels has a photo",
        "Not one row of the table names a file that is there.",
        "Check the folder of photos (--photos) and how the table writes its paths.",
    ),
    "TRI228": Entry(
        "An archive cannot be unpacked",
        "It is damaged, cut short (as after an interrupted download), or no archive at all. Nothing of it was kept.",
        "Copy or download it again, and compare its size or checksum with where it came from.",
    ),
    "TRI229": Entry(
        "The folder to unpack into is taken",
        "A folder of the archive's name is there, and it does not hold what unpacking this archive puts there. Nothing "
        "is ever overwritten.",
        "Ingest that folder itself, remove it, or name another place with `trifacet ingest --unpack DIR`.",
    ),
    "TRI230": Entry(
        "An archive unpacks to too much",
        "Its files are more than 100 times its size and more than 1 GB, or over a million. Photos hardly shrink, so "
        "this is no archive of photos, or one made to fill disks.",
        "Unpack it yourself if you trust it, and ingest the folder.",
    ),
    "TRI250": Entry(
        "The shares of a split do not fit",
        "val and test must each lie within 0..1 and together leave photos for training; folds are at least 2.",
        "Give smaller shares, for example --val 0.2 --test 0.2.",
    ),
    "TRI251": Entry(
        "There are too few people to split",
        "People are never divided, and some split or fold would stay empty.",
        "Ask for fewer folds or larger shares, or add people.",
    ),
    "TRI300": Entry(
        "Predictions break their rules",
        "A row of probabilities does not sum to 1, an id appears twice, or a column is missing.",
        "Make the file again with `trifacet predict`.",
    ),
    "TRI301": Entry(
        "Two label schemas do not match",
        "Predictions, truth or a decision rule were made for other attributes, classes or age edges.",
        "Use files made under one schema; `trifacet config show` and the file's metadata tell which.",
    ),
    "TRI302": Entry(
        "Predictions and truth name different photos",
        "Some ids are on one side only; the message gives the first.",
        "Predict on the photos that the truth names; --subset leaves out those that only the predictions hold.",
    ),
    "TRI320": Entry(
        "A CSV cannot be read",
        "The file is missing, a folder, empty, without rows, not text, or its rows have different lengths.",
        "Pass a comma-separated table in UTF-8 with a header line.",
    ),
    "TRI321": Entry(
        "A table lacks a column",
        "The truth or the submission has no id column, or no column that says anything of the labels.",
        "A submission has the columns ImageID,ans; a truth has ImageID and any of ans and the attributes' names.",
    ),
    "TRI322": Entry(
        "An id is empty or stands twice",
        "Each photo must have exactly one row, found by its ImageID.",
        "Give every row its own ImageID.",
    ),
    "TRI323": Entry(
        "An answer is not a class",
        "The column ans holds something else than a whole number of a joint class, or nothing.",
        "Write one whole number in 0..K-1 for every photo (0..17 for mask, gender and age).",
    ),
    "TRI324": Entry(
        "A true label cannot be understood",
        "A label is no class name or id of the schema, an age no number of years, or two columns disagree.",
        "Correct the rows that are named, or pass the schema that the labels were written for.",
    ),
    "TRI325": Entry(
        "Ages could be years or classes",
        "Every number in the age column could be a class id as well as an age in years.",
        "Call the column age_class when it holds class ids or names, age_years when it holds years.",
    ),
    "TRI326": Entry(
        "Truth and predictions cannot be joined",
        "The truth has no ids and joining by row was not asked for, or the two have different numbers of rows.",
        "Give the truth an ImageID column, or pass --by-row when both files have one row per photo in the same order.",
    ),
    "TRI327": Entry(
        "No photo can be scored",
        "No photo has both an answer and a known label.",
        "Pass a truth whose rows have labels.",
    ),
    "TRI328": Entry(
        "Too few labelled photos to fit a decision",
        "A decision rule needs photos with labels, and none of the given ones has both a prediction and a label.",
        "Pass the predictions of a labelled split, such as val.",
    ),
    "TRI330": Entry(
        "The info file names photos without a prediction",
        "A submission answers every row of the info file, and some of its photos were not predicted.",
        "Predict on the folder that the info file belongs to, then submit again.",
    ),
    "TRI331": Entry(
        "Photos could not be read, so rows would stay open",
        "Some photos of the info file are damaged or missing, so the model has no answer for them.",
        "Repair the photos and predict again, or pass --fill to give them the commonest class of the training data.",
    ),
    "TRI332": Entry(
        "There is no prior to fill from",
        "Open rows were to be filled, but the training data's class shares are not known.",
        "Submit with the run's own decision rule, which carries them.",
    ),
    "TRI340": Entry(
        "Members speak of other photos",
        "Predictions are put together photo by photo, so all of them must name the same ones. Runs of an ensemble must "
        "have been split alike: else a photo that one is scored by is one that another was trained on.",
        "Train the members on one split manifest; predict on the same photos before `trifacet combine`.",
    ),
    "TRI341": Entry(
        "Parts of the task overlap",
        "Predictions that are multiplied must each answer other attributes; one attribute is answered by two of them.",
        "Give files of the same task, which are averaged, or of parts that share nothing.",
    ),
    "TRI342": Entry(
        "There is too little to fit weights on",
        "Weights are fitted on out-of-fold or val predictions that all members have, of 20 people with every label at "
        "least: fitted on a handful of people they fit these people alone.",
        "Give --weights yourself, or none: then all members have the same share.",
    ),
    **MISHAPS,
}
