"""Rulings to and from the files of other tools: Label Studio, FiftyOne, CVAT, tables of classes, known corrections."""
