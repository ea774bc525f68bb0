"""What Android's own programs say, of several generations and makers: the forms are those of Android's sources."""

from __future__ import annotations

from collections.abc import Mapping

from edgebench.worker.programs import Ask, NotInstalled
from edgebench.worker.tree import Unreadable

GETPROP = """\
[dalvik.vm.heapsize]: [512m]
[persist.sys.note]: [first line
second line]
[ro.board.platform]: [kona]
[ro.build.id]: [RKQ1.201022.002]
[ro.build.version.release]: [11]
[ro.build.version.sdk]: [30]
[ro.hardware]: [qcom]
[ro.product.manufacturer]: [OnePlus]
[ro.product.model]: [IN2023]
[ro.soc.model]: []
"""
BATTERY = """\
Current Battery Service state:
  AC powered: false
  USB powered: true
  Wireless powered: false
  Dock powered: false
  Max charging current: 500000
  Charge counter: 3661000
  status: 2
  health: 2
  present: true
  level: 87
  scale: 100
  voltage: 4211
  temperature: 271
  technology: Li-ion
"""
#: Android 11 and newer: cached values, which may be old, before the HAL's own.
THERMAL = """\
IsStatusOverride: false
ThermalEventListeners:
\tcallbacks: 2
\tkilled: false
\tbroadcasts count: -1
ThermalStatusListeners:
\tcallbacks: 2
Thermal Status: 0
Cached temperatures:
\tTemperature{mValue=51.0, mType=0, mName=CPU0, mStatus=0}
HAL Ready: true
HAL connection:
\tThermalHAL 2.0 connected: yes
Current temperatures from HAL:
\tTemperature{mValue=36.2, mType=0, mName=CPU0, mStatus=0}
\tTemperature{mValue=33.9, mType=1, mName=GPU0, mStatus=0}
\tTemperature{mValue=31.4, mType=3, mName=VIRTUAL-SKIN, mStatus=0}
\tTemperature{mValue=27.1, mType=2, mName=battery, mStatus=0}
\tTemperature{mValue=4.17, mType=6, mName=vbat, mStatus=0}
\tTemperature{mValue=NaN, mType=9, mName=npu, mStatus=0}
\tTemperature{mValue=-274.0, mType=4, mName=usbc, mStatus=0}
\tTemperature{mValue=40.5, mType=-1, mName=quiet-therm, mStatus=0}
Current cooling devices from HAL:
\tCoolingDevice{mValue=2, mType=2, mName=thermal-cpufreq-0}
\tCoolingDevice{mValue=3, mType=3, mName=gpufreq}
"""
POWER = """\
POWER MANAGER (dumpsys power)

Power Manager State:
  mWakefulness=Asleep
  mIsPowered=true
  mLowPowerModeEnabled=false

Display Power: state=OFF
"""
POWER_NEWER = """\
Power Manager State:
  Settings power_manager_constants:
  mWakefulnessRaw=Awake

Battery saver state machine:
  Enabled=true
    full=true
    adaptive=false
"""


def answering(said: Mapping[str, str]) -> Ask:
    """Return what answers as a phone's programs do, by their words; it lacks all others."""

    def ask(*words: str) -> str:
        if words[0] not in {known.split()[0] for known in said}:
            raise NotInstalled(f"{words[0]} is not installed")
        if " ".join(words) not in said:
            raise Unreadable(f"{' '.join(words)}: ended with 1: 'Can't find service'")
        return said[" ".join(words)].strip()

    return ask


PHONE = {"getprop": GETPROP, "dumpsys battery": BATTERY, "dumpsys thermalservice": THERMAL, "dumpsys power": POWER}
