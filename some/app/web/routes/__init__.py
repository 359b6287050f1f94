"""Routes, one module per region of the site; each route names its permission or says that it is public."""
