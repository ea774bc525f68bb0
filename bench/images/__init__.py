"""Evaluation images: data sets, geometry, the decode-once cache and input normalization.

``dataset`` finds images and labels, ``geometry`` brings an image to a model's input size, ``cache`` does that
once for a whole data set, ``normalization`` says how pixels become the real numbers a model expects.
"""
