"""A built-in model of about 0.3 ms on one core of a server, for checks that need a real load and are given no file."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path

#: Twenty equal 3x3 convolutions on float32 [1, 10, 10, 20]. Made by ``tests/fixtures/make_stack_model.py``.
_CONTENT = (
    "c-rlpKWGzS7>D1c*EUVBY1*dRp-4do2a)uD3Pp+pDbm5gLBv5tv6T)&1&cUzC{mo9q_cx`aBvWDa3~U-MG87N6mjS%;vm@e{C&xr"
    "`1QVbEV%rJ=fYi|=l;;UFSmRd6p_mp=Ep?xQj~(klEsz?Yl1bA?Xt+sd68DBvxW7gnj!K$NfP&Y3FJPXoH<HF+Hockmi1%JmXH1z"
    "gb+dqA%qY@2qA<JLI@#*5JCtcgb+dqA%qY@2qA<JLJ0Z)L=x5J61M2v#<)4-F~YLG?M$0U35<iHoBxPl4OBn`s;yWD6%c`H2J4^#"
    "B2dN7*FXhCpo)F0fr`#!eDWtr+;QA#3}P_^9$}lCUfH7O<~XMFEeAwp@WE)`8ts6#MX$~5h3zk+Eo$5Ewdahsv=_Gh+V*+vL!(_X"
    "+CFW2z4ndKZW?W`wgs>KX|&&swxDf~*Ph)E+u{AN?a?;xwRes7n$hO9?e^LiM!R9O-P*=p`^{*#jW*V{%WF>@gl*v<Y`e70dF@rB"
    "oj2N?ww+%4%xKq*wo}`z*M2hEs?lb(?eN-s61I|rZHKn)UVG7KXN<O8+cvL#Y_uyz+oo;gweOAgwb4fMZ?1Nut<UY2+E~}6bGwK1"
    "&!@0BUAr&pBVra;t@qWT{WkWQ@%Gyor&@ITaj*mFC0GS>U<mxk)W^vUumom75$qy-2cCjkpbTQL<F3u!3+~x*V~t+d4xZnvcMq?O"
    "mYU;vPI1?n-A{QV)23Gnyt3(C3A`!OTMfKP)7uQZ3Df%+c;lw`JMhL#Z}=eXjhfzE;EkBxy}+~o9~++M?vs^iF}<y{SGK*~v^QmY"
    "g(T%o+Fm*BP1xS`v^Q>h>uGPy_FkpEQQP~H_C{<k)?aTBeV;khl<ej!_T6v_`kdWdys<3a`#@Y9Ii&fX6no#DZj5|zd-2Y~{pDI)"
    "^u~(fp?9rVzjLDI{o+3U0v~_9#{"
)


def stack_model() -> bytes:
    """Return the model: input and output float32 [1, 10, 10, 20], one constant in all weights."""
    return zlib.decompress(base64.b85decode(_CONTENT))


def write_stack_model(path: Path) -> Path:
    """Write the model to ``path`` and return it. Raises OSError where that is impossible."""
    path.write_bytes(stack_model())
    return path
