"""A built-in model of about 0.3 ms on one core of a server, for checks that need a real load and are given no file."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path

#: Twenty equal 3x3 convolutions on float32 [1, 20, 20, 20]. Made by ``tests/fixtures/make_stack_model.py``.
_CONTENT = (
    "c-rlpJ7^S96oyYWlVp=jHk)LkDS`yFun^h2HxMMqB0*AEScq7tC_YFbL@<a&iXg$tN>W=$3JVJn3yUC&wMak<iy#&$MJxo9jQ`y|"
    "yWY$_Wx(byzFB7See)nQcc-~KBqA5jEsTp4B$1-TlE;<^Yl1bAt+L4MS&>$$vx)V^nj!K$O;h)I0d##nK6{vmwBt-7EbGUbD<A$b"
    "2qA<JLI@#*5JCtcgb+dqA%qY@2qA<JLI@#*5JCtcgb?!oi6pAcC2Y~Tjd63vV}xaW+o?8@5|{vqoBxPl6;wb3s;yWD6%c`H4(p%-"
    "B2dN7S3w0tpo)F0f{M;#eDWtv-ErJ$3}G=09$}lCUfH7O<~XABEeAzq@WE)`8ttIAiPz?K!}gcaCfW{o?HQvj?S}1uw*6lF&}bKp"
    "wqM&muYF^*8%EowZP9Cg8tr$ZEo$5AwWs&Oc4RMXd$lci?Omh2VzdQqd%X6A(XJb9kG8SbelyxFqm8xg_S$3nVO!h}+iq>Uy!Nuu"
    "E*Nc>ww+%4%xKq)wo}`@*M2hEs?p}P?eN+{8n%*#ZHKn)UVGkXXN|U9+cvL#Y_!Wp+oo;gweOAgwb4fMZ?1Nut<UY2+E~}EbGwK2"
    "&nK`rS-UUlBVry`t@qV|{WkWQ^Y+^qr&@ITQLqi^C0GITU>N+!)yK(oun6Wr0(KC-15d#XPzEvBcGu?a1^4W@u|}_J8_#dvyN8#@"
    "O3m>+@yPFGywMrcD+ONJ^ezS7wCSw`-jwNW1m2|SeGI$_)B7EG<EA&VpY_H}Z$9uwP48ad+5eAq&vW<5@{E|?X4Wg)-cHt=w!LDS"
    "@uqCAob@Jc?`qbYu)VdcH*R~cvfh~OeaU*GwioNKH;BH^9B4{*^A-DUI7NNVuHU(~B%T}BMh<DdC&k`(ryC<5+`Mz^_Wh+=n|NbI"
    "a^PJn*6*CCdB3=izoitvYX"
)


def stack_model() -> bytes:
    """Return the model: input and output float32 [1, 20, 20, 20], one constant in all weights."""
    return zlib.decompress(base64.b85decode(_CONTENT))


def write_stack_model(path: Path) -> Path:
    """Write the model to ``path`` and return it. Raises OSError where that is impossible."""
    path.write_bytes(stack_model())
    return path
