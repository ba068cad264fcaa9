"""The training engine: the only place in the worker that imports TensorFlow and Keras.

It knows no database and no broker; `context` is its way out.
"""
