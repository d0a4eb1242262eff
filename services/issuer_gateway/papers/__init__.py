"""Papers: what a document says, as a PDF to print and as a picture, with the document inside. Judges nothing.

It keeps nothing: a paper that a crash, or a bound, cut short is laid out again when it is asked for again.
"""
