"""The error codes of runs, of what is made of them, and of the machine; those of what goes in stand in `catalogue`."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One row of the catalogue: the heading in the reference, why it happens, what helps."""

    title: str
    why: str
    remedy: str


MISHAPS: dict[str, Entry] = {
    "TRI400": Entry(
        "This is not a run",
        "The folder has no run.json, or it cannot be read.",
        "Pass the folder that `trifacet train --out` made.",
    ),
    "TRI401": Entry(
        "The run is not finished",
        "Training has not ended, so the run has no weights and no decision rule to use yet.",
        "Finish it with `trifacet train --resume RUN`.",
    ),
    "TRI402": Entry(
        "The place for the run is taken",
        "The output folder exists and is not empty.",
        "Choose another --out (`train --name` numbers runs by itself); a folder is never overwritten.",
    ),
    "TRI403": Entry(
        "Weights cannot be loaded",
        "A weights file is missing, damaged, or belongs to another network.",
        "Check the path and the model named in the recipe.",
    ),
    "TRI404": Entry(
        "Training cannot start on this data",
        "The manifest has no split, or one split lacks photos or labels that training needs.",
        "Run `trifacet split` first and check `trifacet ingest`'s class counts.",
    ),
    "TRI405": Entry(
        "Training diverged",
        "The loss, its gradient or the weights became infinite or no number. The checkpoints from before are kept.",
        "Lower optim.lr, or set optim.clip_norm; check the labels of the newest photos.",
    ),
    "TRI406": Entry(
        "No checkpoint is whole",
        "Every checkpoint's content differs from the hash in its name. They are set aside as *.damaged.",
        "Check the disk, then train again into another folder.",
    ),
    "TRI407": Entry(
        "The run cannot be gone on with",
        "It is finished already.",
        "Train into another folder; `--init RUN` starts from its weights.",
    ),
    "TRI409": Entry(
        "A teacher has seen val or test",
        "A run named in `loss.teachers`, or one that gives pseudo-labels, was trained on photos that the new run is "
        "chosen or scored by, or nobody knows on which; or folds that teach have no answer about a photo to train on.",
        "Take a teacher of the same split: train it on the same manifest, folds with `--folds 5 --keep-val`.",
    ),
    "TRI408": Entry(
        "The run is being trained",
        "Another process holds the run's lock. Two of them would write over each other.",
        "Wait for it, or stop it; a lock ends with its process, however that ends.",
    ),
    "TRI423": Entry(
        "Weights that cannot be averaged",
        "A run kept too few epochs, or runs have other networks, photos or splits.",
        "Average epochs of one run (`train.keep_epochs`), or runs of one recipe's network on one manifest.",
    ),
    "TRI420": Entry(
        "This is not an ensemble",
        "The folder's ensemble.json cannot be read, or was written by a newer trifacet.",
        "Pass the folder that `trifacet ensemble --out` made, or make it again.",
    ),
    "TRI421": Entry(
        "A member of the ensemble has changed",
        "A member was moved, removed or trained anew, so the ensemble would answer otherwise than it was measured.",
        "Put the member back, or make the ensemble again with `trifacet ensemble`.",
    ),
    "TRI430": Entry(
        "Jobs of the queue failed",
        "The queue went on to its end, and some of its recipes were not trained. Each has its log and its message.",
        "Read DIR/failed/NAME/log.txt, mend the recipe, and move it back into DIR/queued.",
    ),
    "TRI431": Entry(
        "The results of a queue cannot be read",
        "A line of results.jsonl was changed by hand, or written by a newer trifacet. No job is begun meanwhile.",
        "Correct or remove the line; each job's own row stands in result.jsonl beside its log.",
    ),
    "TRI440": Entry(
        "This is not a search",
        "The folder has no search.json, or it cannot be read.",
        "Pass the folder that `trifacet search --out` made.",
    ),
    "TRI441": Entry(
        "No trial could be trained",
        "Every trial of the search failed, the recipe as it is among them. The message of the first is shown.",
        "Train the recipe by itself with `trifacet train`, then search from what works.",
    ),
    "TRI442": Entry(
        "Trials fail one after another",
        "Three trials in a row failed for reasons that their settings do not explain, so the next would fail too: a "
        "device that is gone, a file that is read by another path, code of your own. The message of the last is shown.",
        "Mend that, then go on with `trifacet search --resume`; more --trials make up for those that failed.",
    ),
    "TRI450": Entry(
        "A file of weights holds code",
        "The file holds a whole pickled model, or other objects that are made by running code. It was not run.",
        "Save the weights alone where they were trained: torch.save(model.state_dict(), 'weights.pth').",
    ),
    "TRI451": Entry(
        "Old weights cannot be taken over",
        "The file is damaged, holds no weights, or those of a network that is not recognised.",
        "Name the network with --backbone; `trifacet backbones` lists what there is.",
    ),
    "TRI600": Entry(
        "An extra is not installed",
        "This command needs packages that the base install leaves out.",
        "Install the extra that is named, for example `pip install 'trifacet[train]'`.",
    ),
    "TRI700": Entry(
        "Findings are about other photos",
        "None of the photos that the findings name is in this data.",
        "Pass the findings that `trifacet audit` made of this data, or make them again.",
    ),
    "TRI701": Entry(
        "Decisions do not fit the data",
        "A decision names a photo, person or class that is not there, or its `old` is not the label that stands: the "
        "label changed since somebody ruled.",
        "Correct the rows that are named, or pass --skip: the others are applied and these are listed.",
    ),
    "TRI702": Entry(
        "A file of decisions cannot be read",
        "It is no CSV, a column is missing or not known, or rows break a rule.",
        "`trifacet decisions export` writes a file with every column; correct the rows that are named.",
    ),
    "TRI703": Entry(
        "This is not a store of rulings",
        "The file is no SQLite file of trifacet's, is damaged, or was written by a newer trifacet.",
        "Check the path; a backup opens in its place.",
    ),
    "TRI704": Entry(
        "The store lies on a network disk",
        "Locks are not reliable there, and rulings of several people could be lost.",
        "Keep the store on a disk of this machine; reviewers reach it by the page.",
    ),
    "TRI705": Entry(
        "A ruling cannot be taken back",
        "There is no such event, or it is somebody else's.",
        "Take back your own; what another reviewer sees differently is settled in the queue of disagreements.",
    ),
    "TRI706": Entry(
        "The store is about other data",
        "Its rulings were made under another label schema, or none of them is about a photo that is here.",
        "Name another store for this data.",
    ),
    "TRI707": Entry(
        "Another process holds the store",
        "It was locked for longer than any ruling takes to write.",
        "End the process that holds it open, such as an editor for SQLite files.",
    ),
    "TRI708": Entry(
        "A file of another tool cannot be read",
        "It is damaged, has none of the forms that are known, or calls its labels by names that are not the schema's. "
        "An XML file with a document type is refused: it may hold entities that grow without end or name other files.",
        "Export it again, say which form it has (--form), or what it calls things (--map).",
    ),
    "TRI709": Entry(
        "Parts of a file cannot be imported",
        "A photo is not in the data, or several could be meant; a word means nothing in the schema; or it says two "
        "things of one photo. A file is taken whole or not at all.",
        "Correct what is named, or say what it means with --map; all of it stands in the CSV that is named.",
    ),
    "TRI710": Entry(
        "A map does not fit",
        "--map names a thing that is not imported, a column that is not there, or a value that is not the schema's.",
        "Pass KEY=NAME for what the file calls a thing, KEY:WORD=VALUE for what a word means, or a YAML file of both.",
    ),
    "TRI711": Entry(
        "A backup cannot be restored",
        "The file is damaged, is no store of rulings, is of a newer trifacet, or is a store that is in use.",
        "Choose another backup; `trifacet decisions backup` makes one of a store that is in use.",
    ),
    "TRI712": Entry(
        "The known corrections are about other data",
        "They name people of the original dataset by their folders, and none of these is here with the label listed.",
        "Pass the original dataset; for other data there are no known corrections.",
    ),
    "TRI713": Entry(
        "Photos outside their folder",
        "The manifest names photos by an absolute path, or one with `..`: a page that others open must not lead there.",
        "Make the manifest again with `trifacet ingest` on the folder that holds the photos.",
    ),
    "TRI900": Entry(
        "The disk is full",
        "Writing stopped because no space was left. What was there before is untouched.",
        "Free some space, or write to another disk, and run the command again.",
    ),
    "TRI901": Entry(
        "A place cannot be written",
        "The folder does not exist, is a file, or this user may not write there.",
        "Choose another path or correct its permissions.",
    ),
    "TRI902": Entry(
        "Out of memory",
        "The device or the machine has too little memory for this batch.",
        "Lower train.batch_size or data.image_size.",
    ),
    "TRI903": Entry(
        "A pixel cache is larger than the limit",
        "The decoded photos would take more room than all caches together may.",
        "Raise TRIFACET_CACHE_GB, or lower data.image_size.",
    ),
    "TRI904": Entry(
        "Training is paused: the disk is full",
        "A file of the run did not fit. The run keeps its newest whole checkpoint, and its status is `paused`.",
        "Free some space and go on with `trifacet train --resume RUN`.",
    ),
    "TRI905": Entry(
        "A page cannot be served",
        "The port is taken, needs other rights, or the address is none of this machine's.",
        "Name another --port (0 takes a free one), or --host 127.0.0.1.",
    ),
}
