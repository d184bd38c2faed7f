"""What a search tries: the space of settings, policies of augmentation, Optuna's journal, and the page of trials."""
