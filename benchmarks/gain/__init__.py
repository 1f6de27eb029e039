"""Does augmentation make classifiers better? Data sets x methods x classifiers x seeds."""
