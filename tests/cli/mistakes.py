"""Mistakes that people make at the command line, and what they are told."""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """A command, its exit status, and all that it prints on stderr; ROOT stands for the folder of bad things."""

    words: str
    status: int
    message: str


CASES = {
    "a folder that is not there": Case(
        "ingest ROOT/nowhere --out ROOT/m.parquet",
        4,
        "TRI220 ROOT/nowhere: no such folder or table. Check the path.",
    ),
    "a folder without photos": Case(
        "ingest ROOT/bare --out ROOT/m.parquet",
        4,
        "TRI205 ROOT/bare: no usable photo, got no file. Check the path and the rejects file, which gives"
        " each photo's reason.",
    ),
    "an empty csv": Case(
        "ingest ROOT/empty --out ROOT/m.parquet",
        4,
        "TRI221 ROOT/empty/train.csv: the table is empty. Open it in an editor; save it as UTF-8 with a "
        "header and one row for each photo or person.",
    ),
    "an unknown gender": Case(
        "ingest ROOT/gender --out ROOT/m.parquet",
        4,
        "TRI224 ROOT/gender/train.csv: 1 label cannot be understood, got row 3 (000001_female_Asian_29): "
        "gender 'femle' is not one of male, female. Did you mean 'female'? Correct it, or say what it means: "
        "--map-values 'gender:femle=CLASS'",
    ),
    "an age in words": Case(
        "ingest ROOT/twenty --out ROOT/m.parquet",
        4,
        "TRI224 ROOT/twenty/train.csv: 1 label cannot be understood, got row 2 (000000_male_Asian_20): "
        "age 'twenty' is not a number of years, nor one of under_30, 30_to_59, 60_plus. Write ages as "
        "numbers, such as 20 or 20.5. Correct it, or say what it means: --map-values 'age:twenty=CLASS'",
    ),
    "two rows for one photo": Case(
        "ingest ROOT/twice --out ROOT/m.parquet",
        4,
        "TRI225 ROOT/twice/train.csv: two rows for one photo, got '000000_male_Asian_20' (rows 2, 3). "
        "Keep one row for each photo (or folder).",
    ),
    "labels without photos": Case(
        "ingest ROOT/lost --out ROOT/m.parquet",
        4,
        "TRI227 ROOT/lost: none of the 1 label rows has a photo below ROOT/lost/images: 000009_male_Asian_20, "
        "got 14 extra, 1 ignored. Check the folder of photos (--photos) and how the table writes its paths.",
    ),
    "a class outside the schema": Case(
        "ingest ROOT/table.csv --out ROOT/m.parquet",
        4,
        "TRI224 ROOT/table.csv: 1 label cannot be understood, got row 2 "
        "(good/images/000000_male_Asian_20/mask1.jpg): mask 'wron' is not one of worn, incorrect, "
        "not_worn. Did you mean 'worn'? Correct it, or say what it means: "
        "--map-values 'mask:wron=CLASS'",
    ),
    "an unknown layout": Case(
        "ingest ROOT/good --layout boostcmp --out ROOT/m.parquet",
        3,
        "TRI100 no layout 'boostcmp'. Did you mean 'boostcamp'?",
    ),
    "a column map without a column": Case(
        "ingest ROOT/good --map path --out ROOT/m.parquet",
        3,
        "TRI104 --map: takes pairs NAME=VALUE, with commas between, got 'path'. See --help.",
    ),
    "age edges that are no numbers": Case(
        "ingest ROOT/good --age-edges a,b --out ROOT/m.parquet",
        3,
        "TRI104 --age-edges: takes ages in years, such as 30,60, got 'a,b'. See --help.",
    ),
    "age edges that descend": Case(
        "ingest ROOT/good --age-edges 60,30 --out ROOT/m.parquet",
        3,
        "TRI103 age edges are not usable: age: edges must ascend, got [60.0, 30.0]. Give each attribute "
        "at least two distinct classes, and one more class than it has edges.",
    ),
    "a person in two splits": Case(
        "train --data ROOT/divided.parquet --out ROOT/run",
        4,
        "TRI201 ROOT/divided.parquet: a person has photos in more than one split, got a. Split again with"
        " `trifacet split`; an image-level split needs `--allow-leak` and stamps every later score.",
    ),
    "a manifest with a class outside the schema": Case(
        "train --data ROOT/foreign.parquet --out ROOT/run",
        4,
        "TRI200 ROOT/foreign.parquet: age holds a class outside the schema, got elderly. Make it again "
        "with `trifacet ingest`, or correct the rows that are named.",
    ),
    "photos that are gone": Case(
        "train --data ROOT/gone.parquet --out ROOT/run",
        4,
        "TRI203 ROOT/gone.parquet: no folder of photos, got ROOT/gone. Put it back, or ingest the folder again.",
    ),
    "a manifest that is not there": Case(
        "train --data ROOT/nothing.parquet --out ROOT/run",
        4,
        "TRI202 ROOT/nothing.parquet: no such folder or manifest. Check the path.",
    ),
    "a name beside a place": Case(
        "train --data ROOT/good --out ROOT/run --name run",
        3,
        "TRI104 --name: goes instead of --out: one of them names the run. See --help.",
    ),
    "a photo for a manifest": Case(
        "train --data ROOT/good/images/000000_male_Asian_20/mask1.jpg --out ROOT/run",
        4,
        "TRI202 ROOT/good/images/000000_male_Asian_20/mask1.jpg: not a manifest file, got a file that is not "
        "Parquet. Photos are passed as a folder; a table goes through `trifacet ingest` first.",
    ),
    "a folder for a manifest": Case(
        "split ROOT/good --out ROOT/s.parquet",
        4,
        "TRI202 ROOT/good: a folder, not a manifest file. Pass the file itself.",
    ),
    "a manifest to be written as csv": Case(
        "ingest ROOT/good --out ROOT/m.csv",
        3,
        "TRI104 --out: a manifest must end in .parquet, got 'ROOT/m.csv'. Call it m.parquet, say.",
    ),
    "a split to be written into a folder": Case(
        "split ROOT/truth.parquet --out ROOT/bare",
        3,
        "TRI104 --out: a manifest must end in .parquet, got 'ROOT/bare'. Call it bare.parquet, say.",
    ),
    "predictions to be written as a spreadsheet": Case(
        "predict ROOT/finished ROOT/eval --out ROOT/q.xlsx",
        3,
        "TRI104 --out: predictions must end in .parquet or .csv, got 'ROOT/q.xlsx'. Call it q.parquet, say.",
    ),
    "a folder as truth": Case(
        "evaluate ROOT/p.parquet --truth ROOT/good",
        5,
        "TRI320 ROOT/good: a folder, not a table. Pass a CSV, or a .parquet of trifacet.",
    ),
    "a truth of fewer photos": Case(
        "evaluate ROOT/p.parquet --truth ROOT/few.csv",
        5,
        "TRI302 evaluate: predictions and truth name different photos, got only in the predictions: 2.jpg. "
        "Predict on the photos that the truth names; --subset leaves out those that only the predictions hold.",
    ),
    "a recipe with three typos": Case(
        "train ROOT/typos.yaml --data ROOT/gone.parquet --out ROOT/run",
        3,
        "TRI101 3 mistakes in the recipe:\n"
        "  model.backbon (ROOT/typos.yaml): no such key. Did you mean 'backbone'?\n"
        "  train.epochs (ROOT/typos.yaml): must be a valid integer, unable to parse string as an integer,"
        " got 'many'.\n"
        "  optim.name (ROOT/typos.yaml): no optimiser 'adamm'. Did you mean 'adam'?\n"
        "Correct each line.",
    ),
    "a recipe that is not there": Case(
        "config show ROOT/none.yaml",
        3,
        "TRI102 ROOT/none.yaml: no such file. Check the path; the message names the line where reading stopped.",
    ),
    "an unknown recipe": Case(
        "train quik --data ROOT/good --out ROOT/run",
        3,
        "TRI100 no recipe 'quik'. Did you mean 'quick'? See `trifacet recipes`; a file ends in .yaml or .json.",
    ),
    "an unknown backbone": Case(
        "config show --set model.backbone=face_resnet92",
        3,
        "TRI101 1 mistake in the recipe:\n"
        "  model.backbone (--set): no backbone 'face_resnet92'. Did you mean 'face_resnet29'? See "
        "`trifacet backbones`.\n"
        "Correct each line.",
    ),
    "a setting without a value": Case(
        "config show --set train.epochs",
        3,
        "TRI104 --set: must look like key.subkey=value, got 'train.epochs'. See --help.",
    ),
    "a setting that does not exist": Case(
        "config show --set train.epoch=3",
        3,
        "TRI101 1 mistake in the recipe:\n"
        "  train.epoch (--set): no such key. Did you mean 'epochs'?\n"
        "Correct each line.",
    ),
    "nothing to train on": Case(
        "train --out ROOT/run",
        3,
        "TRI104 --data is needed: a manifest or a folder of labelled photos. See --help.",
    ),
    "a resumed run with another option": Case(
        "train --resume ROOT/stopped --name x",
        3,
        "TRI104 --resume: goes on with the run as it is, so no recipe and no other option goes with it. See --help.",
    ),
    "a finished run to resume": Case(
        "train --resume ROOT/finished",
        6,
        "TRI407 ROOT/finished: this run is finished. Train into another folder; `--init RUN` starts from its weights.",
    ),
    "no run to resume": Case(
        "train --resume ROOT/good",
        6,
        "TRI400 ROOT/good: no run here (a run directory holds run.json). Pass the folder that `trifacet "
        "train --out` made.",
    ),
    "no run to start from": Case(
        "train --data ROOT/good --init ROOT/bare --out ROOT/run",
        6,
        "TRI400 ROOT/bare: no run here (a run directory holds run.json). Pass the folder that `trifacet "
        "train --out` made.",
    ),
    "an unfinished run": Case(
        "predict ROOT/stopped ROOT/eval --out ROOT/q.parquet",
        6,
        "TRI401 ROOT/stopped: this run is not finished, got status interrupted. Finish it with `trifacet "
        "train --resume ROOT/stopped`.",
    ),
    "a folder that is no run": Case(
        "predict ROOT/good ROOT/eval --out ROOT/q.parquet",
        6,
        "TRI400 ROOT/good: no run here (a run directory holds run.json). Pass the folder that `trifacet "
        "train --out` made.",
    ),
    "an unknown augmentation of the test": Case(
        "predict ROOT/good ROOT/eval --tta flop",
        3,
        "TRI104 --tta: must be none, flip, crops, random:K, flips4 or d4 (K 1 to 64), got 'flop'. Did you mean 'flip'? "
        "See --help.",
    ),
    "a rule for a folder that is no run": Case(
        "decide ROOT/bare",
        6,
        "TRI400 ROOT/bare: no run here (a run directory holds run.json). Pass the folder that `trifacet "
        "train --out` made.",
    ),
    "a rule without a truth": Case(
        "decide ROOT/finished --on ROOT/p.parquet",
        3,
        "TRI104 --truth is needed beside --on: the labels of those photos. See --help.",
    ),
    "predictions of another schema": Case(
        "evaluate ROOT/other.parquet --truth ROOT/truth.parquet",
        5,
        "TRI301 ROOT/truth.parquet: another label schema: age is under_30, 30_to_59, 60_plus instead of under_25, "
        "25_to_49, 50_plus. Use files made under one schema; `trifacet config show` and the file's metadata tell "
        "which.",
    ),
    "a rule that is not there": Case(
        "evaluate ROOT/p.parquet --truth ROOT/truth.csv --decision ROOT/rule.json",
        5,
        "TRI300 ROOT/rule.json: no such file. Make one with `trifacet decide`, or say argmax.",
    ),
    "a manifest as predictions": Case(
        "evaluate ROOT/truth.parquet --truth ROOT/truth.csv",
        4,
        "TRI202 ROOT/truth.parquet: expected a predictions file, got a manifest file. Pass the right "
        "file; update trifacet when the format is newer.",
    ),
    "predictions that are not there": Case(
        "evaluate ROOT/none.parquet --truth ROOT/truth.csv",
        4,
        "TRI202 ROOT/none.parquet: no predictions file here. Check the path.",
    ),
    "a truth that is not there": Case(
        "evaluate ROOT/p.parquet --truth ROOT/none.csv",
        5,
        "TRI320 ROOT/none.csv: no such file. Check the path.",
    ),
    "an ImageID that was not predicted": Case(
        "submit ROOT/p.parquet --info ROOT/eval/info.csv --out ROOT/o.csv",
        5,
        "TRI330 ROOT/eval/info.csv: no prediction for 1 of 4 rows, got unknown.jpg. Predict on the folder"
        " that the info file belongs to, then submit again.",
    ),
    "an info file that is not there": Case(
        "submit ROOT/p.parquet --info ROOT/none.csv --out ROOT/o.csv",
        5,
        "TRI320 ROOT/none.csv: no such file. Check the path.",
    ),
    "a run without weights": Case(
        "predict ROOT/finished ROOT/nowhere",
        6,
        "TRI403 ROOT/finished/weights/best.safetensors: cannot be read as safetensors, got No such file "
        "or directory: ROOT/finished/weights/best.safetensors. Check the path and the model named in the "
        "recipe.",
    ),
    "an unknown model of timm": Case(
        "train --data ROOT/good --dry-run --out ROOT/dry.png --set model.backbone=timm/resnt18",
        3,
        "TRI100 model.backbone: timm has no model 'resnt18'. Did you mean 'timm/resnet18'?",
    ),
    "a recipe beside a resumed run": Case(
        "train quick --resume ROOT/stopped",
        3,
        "TRI104 --resume: goes on with the run as it is, so no recipe and no other option goes with it. See --help.",
    ),
    "a setting as an option": Case(
        "train --data ROOT/good --epochs 3",
        3,
        "TRI104 --epochs is no option. It is a setting: `--set train.epochs=3`.",
    ),
    "a setting as an option with its section": Case(
        "train --data ROOT/good --optim.lr=0.1",
        3,
        "TRI104 --optim.lr is no option. It is a setting: `--set optim.lr=0.1`.",
    ),
    "a setting without its section": Case(
        "train --data ROOT/good --set epochs=3",
        3,
        "TRI101 1 mistake in the recipe:\n"
        "  epochs (--set): no such key. Did you mean 'train.epochs'?\n"
        "Correct each line.",
    ),
    "a stray argument": Case(
        "train instant ROOT/divided.parquet",
        3,
        "TRI104 'ROOT/divided.parquet' is more than the one recipe that train takes. "
        "Did you mean `--data ROOT/divided.parquet`?",
    ),
    "a stray argument beside the data": Case(
        "train instant x --data ROOT/divided.parquet",
        3,
        "TRI104 'x' is more than the one recipe that train takes. See --help.",
    ),
    "data instead of a recipe": Case(
        "train ROOT/divided.parquet",
        3,
        "TRI104 --data is needed: a manifest or a folder of labelled photos. "
        "Did you mean `--data ROOT/divided.parquet`?",
    ),
    "a demo with an unknown recipe": Case(
        "demo --recipe slow --out ROOT/demo",
        3,
        "TRI100 no recipe 'slow'. Known: baseline, champion, instant, kaggle-hpa, quick, strong, system1, system2, "
        "system3, system4, winner1, winner2. See `trifacet recipes`; a file ends in .yaml or .json.",
    ),
    "a run in place of photos": Case(
        "predict ROOT/stopped ROOT/finished",
        3,
        "TRI104 the last must be photos: a manifest, a folder or an archive, got the run 'ROOT/finished'. See --help.",
    ),
    "a form that is none": Case(
        "predict ROOT/finished ROOT/eval --form probabilties --out ROOT/q.csv",
        3,
        "TRI100 --form: no form 'probabilties'. Did you mean 'probabilities'?",
    ),
    "probabilities into a table of answers": Case(
        "predict ROOT/finished ROOT/eval --form probabilities --out ROOT/q.parquet",
        3,
        "TRI104 --out: probabilities must end in .csv, got 'ROOT/q.parquet'. Call it q.csv, say.",
    ),
    "a leak": Case(
        "submit ROOT/p.parquet --info ROOT/eval/info.csv --out ROOT/submission.csv.leak.csv",
        3,
        "TRI104 --out: a 'leak' file replaces the model's answers by ones known from elsewhere, and is not made here, "
        "got 'ROOT/submission.csv.leak.csv'. Submit what the model answers; if it is that, name the file otherwise.",
    ),
    "rates in words": Case(
        "decide ROOT/finished --rates mask=many",
        3,
        "TRI104 --rates: takes numbers with commas between, such as mask=5,1,1, got 'many'. See --help.",
    ),
    "one prediction to combine": Case(
        "combine ROOT/p.parquet --out ROOT/q.parquet",
        3,
        "TRI104 two predictions or more are needed, got 1. See --help.",
    ),
    "predictions of two cuts of age to combine": Case(
        "combine ROOT/p.parquet ROOT/other.parquet --out ROOT/q.parquet",
        5,
        "TRI301 ROOT/other.parquet: another label schema: age is under_25, 25_to_49, 50_plus instead of under_30, "
        "30_to_59, 60_plus. Use files made under one schema; `trifacet config show` and the file's metadata tell "
        "which.",
    ),
    "predictions into a file of another kind": Case(
        "predict ROOT/nothing ROOT/eval --out ROOT/q.json",
        3,
        "TRI104 --out: predictions must end in .parquet or .csv, got 'ROOT/q.json'. Call it q.parquet, say.",
    ),
    "a queue without data": Case(
        "queue ROOT/q",
        3,
        "TRI104 --data (a manifest or a folder of labelled photos) is needed, here or in the environment as "
        "SM_CHANNEL_TRAIN. See --help.",
    ),
    "a queue on data that are not there": Case(
        "queue ROOT/q --data ROOT/none.parquet",
        4,
        "TRI202 ROOT/none.parquet: no such folder or manifest. Check the path.",
    ),
    "another command after each training": Case(
        "queue ROOT/q --data ROOT/good --then evaluate --data ROOT/eval",
        3,
        "TRI104 --then: takes predict and its options, got 'evaluate'. See --help.",
    ),
    "no photos to answer about after each training": Case(
        "queue ROOT/q --data ROOT/good --then predict --tta flip",
        3,
        "TRI104 --then predict: needs --data: the photos to answer about. See --help.",
    ),
    "photos to answer about that are not there": Case(
        "queue ROOT/q --data ROOT/good --then predict --data=ROOT/none",
        3,
        "TRI104 --then predict --data: no such photos, got 'ROOT/none'. See --help.",
    ),
    "one place for the answers of all jobs": Case(
        "queue ROOT/q --data ROOT/good --then predict --data ROOT/eval --out ROOT/p2.parquet",
        3,
        "TRI104 --then predict: answers stand beside each job, got --out. Leave out --out.",
    ),
    "two places of photos to answer about after each training": Case(
        "queue ROOT/q --data ROOT/good --then predict --data ROOT/eval ROOT/good",
        3,
        "TRI104 --then predict: answers about the photos of one --data, with each run alone, got 'ROOT/good' as well. "
        "Leave it out.",
    ),
    "a run in place of photos to answer about": Case(
        "queue ROOT/q --data ROOT/good --then predict --data ROOT/finished",
        3,
        "TRI104 the last must be photos: a manifest, a folder or an archive, got the run 'ROOT/finished'. See --help.",
    ),
    "a typo in what follows each training": Case(
        "queue ROOT/q --data ROOT/good --then predict --data ROOT/eval --tta flop",
        3,
        "TRI104 --tta: must be none, flip, crops, random:K, flips4 or d4 (K 1 to 64), got 'flop'. Did you mean 'flip'? "
        "See --help.",
    ),
    "the table of a queue that is not there": Case(
        "queue ROOT/bare --show",
        3,
        "TRI104 ROOT/bare: there is no queue. Drop recipes into DIR/queued first.",
    ),
    "configs of a queue that are not there": Case(
        "queue ROOT/q --take-over ROOT/bare",
        3,
        "TRI104 --take-over: needs the folder that holds `queue` and `ends`, got 'ROOT/bare'. See --help.",
    ),
    "a search of nothing": Case(
        "search --data ROOT/good --out ROOT/s",
        3,
        "TRI104 search: a search needs --over KEY=VALUES, or --policies, and not both. See --help.",
    ),
    "a search without photos": Case(
        "search --out ROOT/s --policies",
        3,
        "TRI104 search: --data and --out are needed. See --help.",
    ),
    "a search of one trial": Case(
        "search --data ROOT/good --out ROOT/s --policies --trials 1",
        3,
        "TRI104 --trials: takes 2 or more: the first trial is the recipe as it is, got 1. See --help.",
    ),
    "a search of a setting that does not exist": Case(
        "search --data ROOT/good --out ROOT/s --over optim.lrr=1|2",
        3,
        "TRI101 1 mistake in the recipe:\n  optim.lrr (--over): no such key. Did you mean 'lr'?\nCorrect each line.",
    ),
    "a search of a value that cannot be": Case(
        "search --data ROOT/good --out ROOT/s --over model.backbone=face_resnet29|face_resnet92",
        3,
        "TRI101 1 mistake in the recipe:\n"
        "  model.backbone (--over): no backbone 'face_resnet92'. Did you mean 'face_resnet29'? See "
        "`trifacet backbones`.\n"
        "Correct each line.",
    ),
    "a search beyond what a setting may be": Case(
        "search --data ROOT/good --out ROOT/s --over augment.flip=0..2",
        3,
        "TRI101 1 mistake in the recipe:\n"
        "  augment.flip (--over): must be less than or equal to 1, got 2.0.\n"
        "Correct each line.",
    ),
    "a search in a place that is taken": Case(
        "search --data ROOT/good --out ROOT/finished --over optim.lr=1e-4..1e-3",
        6,
        "TRI402 ROOT/finished: this place is taken. Choose another --out (`train --name` numbers runs by itself); "
        "a folder is never overwritten.",
    ),
    "no search to go on with": Case(
        "search --resume ROOT/finished",
        6,
        "TRI440 ROOT/finished: no search here (its folder holds search.json). Pass the folder that `trifacet search "
        "--out` made.",
    ),
    "a search gone on with otherwise": Case(
        "search --resume ROOT/finished --policies",
        3,
        "TRI104 --resume: goes on with the search as it is: of the other options only --trials and --timeout go with "
        "it. See --help.",
    ),
    "old weights that are not there": Case(
        "import-weights ROOT/best.pth --out ROOT/w.safetensors",
        6,
        "TRI451 ROOT/best.pth: no such file. Check the path.",
    ),
    "old weights to a place that is taken": Case(
        "import-weights ROOT/best.pth --out ROOT/finished",
        6,
        "TRI402 ROOT/finished: this place is taken. Choose another --out (`train --name` numbers runs by itself); "
        "a folder is never overwritten.",
    ),
    "a split into the manifest it is of": Case(
        "split ROOT/truth.parquet --out ROOT/truth.parquet",
        3,
        "TRI104 --out: the output is the input, got 'ROOT/truth.parquet'. Name another file: what is read is never "
        "replaced.",
    ),
    "answers over a manifest": Case(
        "predict ROOT/finished ROOT/eval --out ROOT/truth.parquet",
        3,
        "TRI104 --out: predictions would replace another thing, got manifest: 'ROOT/truth.parquet'. Name another file, "
        "or delete that one first.",
    ),
    "a manifest over a table of one's own": Case(
        "ingest ROOT/good --out ROOT/own.parquet",
        3,
        "TRI104 --out: manifest would replace another thing, got a file that is none of trifacet's: "
        "'ROOT/own.parquet'. Name another file, or delete that one first.",
    ),
    "answers over labels": Case(
        "predict ROOT/finished ROOT/eval --out ROOT/truth.csv",
        3,
        "TRI104 --out: predictions would replace another thing, got a file that is none of trifacet's: "
        "'ROOT/truth.csv'. Name another file, or delete that one first.",
    ),
    "a list of rejects over labels": Case(
        "ingest ROOT/good --out ROOT/m.parquet --rejects ROOT/truth.csv",
        3,
        "TRI104 --out: rejects would replace another thing, got a file that is none of trifacet's: 'ROOT/truth.csv'. "
        "Name another file, or delete that one first.",
    ),
    "a submission over its list of photos": Case(
        "submit ROOT/p.parquet --info ROOT/eval/info.csv --out ROOT/eval/info.csv",
        3,
        "TRI104 --out: the output is the input, got 'ROOT/eval/info.csv'. Name another file: what is read is never "
        "replaced.",
    ),
    "a rule over something else": Case(
        "decide ROOT/finished --out ROOT/finished/run.json",
        3,
        "TRI104 --out: a rule would replace another thing, got 'ROOT/finished/run.json'. Name another file, or delete "
        "that one first.",
    ),
    "a rule by labels that are to be filled in": Case(
        "decide ROOT/finished --on ROOT/p.parquet --truth ROOT/eval/info.csv --out ROOT/rule.json",
        3,
        "TRI104 --truth: a rule needs true labels, got the truth's ans is 0 in all 4 rows: a file to be filled in, not "
        "labels? See --help.",
    ),
    "pseudo-labels for what has no split": Case(
        "pseudo ROOT/p.parquet ROOT/eval --data ROOT/truth.parquet --out ROOT/more.parquet",
        6,
        "TRI404 --data: the labelled manifest has no split. Run `trifacet split` first: whom the model knows must not "
        "become val or test later.",
    ),
    "what follows a queue on a split that is none": Case(
        "queue ROOT/q --data ROOT/good --then predict --data ROOT/truth.parquet --split tset",
        4,
        "TRI205 ROOT/truth.parquet: no split 'tset'; the manifest is not split. Run `trifacet split` first.",
    ),
    "two settings that vary": Case(
        "train --data ROOT/good --out ROOT/run --each optim.lr=1e-3|1e-4 --each train.seed=0|1",
        3,
        "TRI104 --each: one setting varies, not several, got optim.lr=1e-3|1e-4; train.seed=0|1. Name the networks in "
        "a recipe, each with its settings: docs/how-to/ensembles.md.",
    ),
    "a network that the recipe has not": Case(
        "train strong --data ROOT/good --out ROOT/run --set frosen.train.epochs=1",
        3,
        "TRI101 --set: 'frosen' is no network of this recipe and no section, got frosen.train.epochs=1. Did you mean "
        "'frozen'?",
    ),
    "an audit of what is not there": Case(
        "audit ROOT/nowhere --out ROOT/a",
        4,
        "TRI202 ROOT/nowhere: no such folder or manifest. Check the path.",
    ),
    "an audit of a folder without photos": Case(
        "audit ROOT/bare --out ROOT/a",
        4,
        "TRI205 ROOT/bare: no usable photo, got no file. Check the path; `trifacet ingest` writes why each "
        "file was left out.",
    ),
    "an audit of a table": Case(
        "audit ROOT/table.csv --out ROOT/a",
        4,
        "TRI202 ROOT/table.csv: not a manifest file, got a file that is not Parquet. Photos are passed as a "
        "folder; a table goes through `trifacet ingest` first.",
    ),
    "an audit of photos that are gone": Case(
        "audit ROOT/gone.parquet --out ROOT/a",
        4,
        "TRI203 ROOT/gone.parquet: no folder of photos, got ROOT/gone. Put it back, or ingest the folder again.",
    ),
    "an audit into a place that is taken": Case(
        "audit ROOT/good --out ROOT/finished",
        6,
        "TRI402 ROOT/finished: this place is taken. Choose another --out (`train --name` numbers runs by "
        "itself); a folder is never overwritten.",
    ),
    "an audit with answers that are not there": Case(
        "audit ROOT/good --oof ROOT/none.parquet --out ROOT/a",
        4,
        "TRI202 ROOT/none.parquet: no predictions file here. Check the path.",
    ),
    "an audit with a manifest as answers": Case(
        "audit ROOT/good --oof ROOT/truth.parquet --out ROOT/a",
        4,
        "TRI202 ROOT/truth.parquet: expected a predictions file, got a manifest file. Pass the right file; "
        "update trifacet when the format is newer.",
    ),
    "an audit with answers about other photos": Case(
        "audit ROOT/good --oof ROOT/p.parquet --out ROOT/a",
        5,
        "TRI302 ROOT/p.parquet: photos have no answer, got 000000_male_Asian_20/incorrect_mask.jpg, "
        "000000_male_Asian_20/mask1.jpg, 000000_male_Asian_20/mask2.jpg, 000000_male_Asian_20/mask3.jpg, "
        "000000_male_Asian_20/mask4.jpg, ... (28 in all). Pass the predictions/oof.parquet that `trifacet "
        "train --folds` made of this data.",
    ),
    "an audit with answers under another schema": Case(
        "audit ROOT/good --oof ROOT/other.parquet --out ROOT/a",
        5,
        "TRI301 ROOT/other.parquet: another label schema: age is under_25, 25_to_49, 50_plus instead of "
        "under_30, 30_to_59, 60_plus. Use files made under one schema; `trifacet config show` and the file's "
        "metadata tell which.",
    ),
    "rulings that are not there": Case(
        "apply ROOT/truth.parquet --decisions ROOT/rulings/none.csv --out ROOT/n.parquet",
        9,
        "TRI702 ROOT/rulings/none.csv: no such file. Check the path.",
    ),
    "rulings that do not fit": Case(
        "apply ROOT/truth.parquet --decisions ROOT/rulings/other.csv --out ROOT/n.parquet",
        9,
        "TRI701 ROOT/rulings/other.csv: 3 of 3 decisions cannot be applied, got photo 0.jpg: mask of 0.jpg is 'worn', "
        "not 'incorrect'; photo 0.jpg: no attribute 'hat'; person nobody: no such person. Correct the rows that "
        "are named, or pass --skip: the others are applied and these are listed.",
    ),
    "rulings without a column": Case(
        "apply ROOT/truth.parquet --decisions ROOT/rulings/short.csv --out ROOT/n.parquet",
        9,
        "TRI702 ROOT/rulings/short.csv: columns are missing, got old. Needed are subject, attribute, old, new; "
        "there may be number, at, who, scope, reason, source, certainty, undo_of, batch.",
    ),
    "rulings that break a rule": Case(
        "apply ROOT/truth.parquet --decisions ROOT/rulings/rows.csv --out ROOT/n.parquet",
        9,
        "TRI702 ROOT/rulings/rows.csv: 2 rows cannot be read, got line 2, subject: Field required; line 3, "
        "scope: Input should be 'photo' or 'person'. `trifacet decisions export` writes a file with every "
        "column; correct the rows that are named.",
    ),
    "rulings that are no text": Case(
        "apply ROOT/truth.parquet --decisions ROOT/rulings/words.csv --out ROOT/n.parquet",
        9,
        "TRI702 ROOT/rulings/words.csv: cannot be read as CSV, got 'utf-8' codec can't decode byte 0xff in "
        "position 26: invalid start byte. `trifacet decisions export` writes a file with every column; "
        "correct the rows that are named.",
    ),
    "rulings of another kind": Case(
        "apply ROOT/truth.parquet --decisions ROOT/truth.csv --out ROOT/n.parquet",
        9,
        "TRI702 ROOT/truth.csv: columns that decisions do not have, got ImageID, mask. Needed are subject, attribute, "
        "old, new; there may be number, at, who, scope, reason, source, certainty, undo_of, batch.",
    ),
    "rulings into the manifest they are about": Case(
        "apply ROOT/truth.parquet --decisions ROOT/rulings/other.csv --out ROOT/truth.parquet",
        3,
        "TRI104 --out: the output is the input, got 'ROOT/truth.parquet'. Name another file: what is read is "
        "never replaced.",
    ),
    "rulings into a csv": Case(
        "apply ROOT/truth.parquet --decisions ROOT/rulings/other.csv --out ROOT/n.csv",
        3,
        "TRI104 --out: a manifest must end in .parquet, got 'ROOT/n.csv'. Call it n.parquet, say.",
    ),
    "rulings of what is not there": Case(
        "apply ROOT/nothing.parquet --decisions ROOT/rulings/other.csv --out ROOT/n.parquet",
        4,
        "TRI202 ROOT/nothing.parquet: no such folder or manifest. Check the path.",
    ),
    "an export of a store that is not there": Case(
        "decisions export ROOT/rulings/none.db --out ROOT/rulings/e.csv",
        9,
        "TRI703 ROOT/rulings/none.db: no such file. Check the path; a backup opens in its place.",
    ),
    "an export of what is no store": Case(
        "decisions export ROOT/truth.csv --out ROOT/rulings/e.csv",
        9,
        "TRI703 ROOT/truth.csv: not a store of rulings, or damaged, got file is not a database. Check the "
        "path; a backup opens in its place.",
    ),
    "an export that is no csv": Case(
        "decisions export ROOT/truth.csv --out ROOT/rulings/e.txt",
        3,
        "TRI104 --out: decisions must end in .csv, got 'ROOT/rulings/e.txt'. Call it e.csv, say.",
    ),
    "a safe copy of a store that is not there": Case(
        "decisions backup ROOT/rulings/none.db --out ROOT/rulings/k.db",
        9,
        "TRI703 ROOT/rulings/none.db: no such file. Check the path; a backup opens in its place.",
    ),
}
