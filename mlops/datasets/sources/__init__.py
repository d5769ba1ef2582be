"""Where conversations come from: the Hub, files, a data asset, a package."""
