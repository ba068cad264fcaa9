"""Which words a text has: as keras.layers.TextVectorization finds them by default.

But for one thing: a text is put in lower case by Unicode's rules, where Keras's layer leaves
letters beyond ASCII as they are.
"""

import string

_PUNCTUATION = string.punctuation.encode()


def words_of(text: str) -> list[bytes]:
    """The words of a text in UTF-8: in lower case, without punctuation, split at white space.

    All of that is quickest on bytes; none of a letter beyond ASCII is a punctuation mark or space.
    """
    return text.lower().encode().translate(None, _PUNCTUATION).split()
