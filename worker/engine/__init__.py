"""The training engine: the only place that imports TensorFlow and Keras.

It knows no database and no broker; `context` is its way out.
"""
