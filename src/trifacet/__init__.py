"""trifacet: from a folder of face photos to an audited dataset, an honest classifier and a submission."""
