"""Papers: what a document says, as a PDF to print and as a picture, with the document inside. Judges nothing."""
