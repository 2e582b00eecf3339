"""Tools for the notebooks: run them, check their form, prepare them for Colab."""
