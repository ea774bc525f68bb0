"""The program that runs where the model runs: stdlib + numpy + a TFLite runtime, Python 3.8 and newer.

It is packed into one zipapp (`edgebench.devices.zipapp`) and started by the controller, on this machine and on a
board alike. Nothing in here may import anything of edgebench outside this folder: the target has only this.
"""

PROTOCOL_VERSION = 1
