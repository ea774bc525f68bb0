"""Getting in, or one line why not: keys, host keys, the ssh configuration, jump hosts, and what listens there."""

from __future__ import annotations

import builtins
import contextlib
import errno
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from edgebench.devices.ssh import SshTransport
from edgebench.devices.ssh_address import SshAddress
from edgebench.devices.ssh_errors import explain
from edgebench.devices.ssh_hop import resolve
from edgebench.devices.ssh_keys import Keys
from edgebench.devices.ssh_settings import SshSettings
from edgebench.errors import DeviceError, DeviceLost, DeviceRefused, DeviceUnknown

from .native_sshd import NativeSshd
from .ssh_client import Connect, settings, write_config
from .ssh_host import HOST, finished, free_port, new_key, public

StartSshd = Callable[..., NativeSshd]


def refused(found: SshSettings) -> str:
    """Return the line of a refusal."""
    with pytest.raises(DeviceRefused) as error:
        SshTransport(found)
    return one_line(error.value)


def lost(found: SshSettings) -> str:
    """Return the line of what may pass."""
    with pytest.raises(DeviceLost) as error:
        SshTransport(found)
    return one_line(error.value)


def one_line(error: DeviceError) -> str:
    text = str(error)
    assert len(text.splitlines()) == 1
    return text


def gets_in(transport: SshTransport) -> bool:
    return transport.run(["echo", "in"]).stdout == b"in\n"


def logins(server: NativeSshd) -> int:
    return server.log.count("Accepted publickey")


# keys


def with_passphrase(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-C", "", "-f", str(path)], check=True)
    return path


@pytest.fixture
def start_agent(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[list[Path]], str]]:
    """Start an agent that holds keys, as the environment's or not; return its socket."""
    started = []

    def start(keys: list[Path]) -> str:
        path = str(tmp_path_factory.mktemp("a") / "s")
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
        started.append(agent)
        while not Path(path).exists():
            assert agent.poll() is None
        for key in keys:
            subprocess.run(["ssh-add", "-q", str(key)], check=True, env={"SSH_AUTH_SOCK": path}, capture_output=True)
        monkeypatch.setenv("SSH_AUTH_SOCK", path)
        return path

    yield start
    for agent in started:
        agent.terminate()
        agent.wait()


def test_keys_in_the_usual_place_are_found(sshd: NativeSshd, ssh_home: Path, connect_ssh: Connect) -> None:
    shutil.copy(sshd.key, ssh_home / ".ssh" / "id_ed25519")

    assert gets_in(connect_ssh(settings(sshd, identity=None)))


def test_the_agents_keys_are_used(sshd: NativeSshd, connect_ssh: Connect, start_agent: Any) -> None:
    start_agent([sshd.key])

    assert gets_in(connect_ssh(settings(sshd, identity=None)))


def test_an_agent_that_is_gone_is_no_agent(
    sshd: NativeSshd,
    ssh_home: Path,
    connect_ssh: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(ssh_home / "gone"))
    shutil.copy(sshd.key, ssh_home / ".ssh" / "id_ed25519")

    assert gets_in(connect_ssh(settings(sshd, identity=None)))


def test_the_named_key_is_the_only_one_so_a_full_agent_is_no_obstacle(
    sshd: NativeSshd,
    connect_ssh: Connect,
    start_agent: Any,
    tmp_path: Path,
) -> None:
    others = [new_key(tmp_path / f"other{number}") for number in range(8)]
    start_agent(others)

    assert gets_in(connect_ssh(settings(sshd)))
    line = refused(settings(sshd, identity=None))

    assert "too many keys were tried" in line
    assert "name the right one with identity" in line


def test_a_key_with_a_passphrase_is_used_through_the_agent(
    start_sshd: StartSshd,
    connect_ssh: Connect,
    start_agent: Any,
    tmp_path: Path,
) -> None:
    server = start_sshd()
    key = with_passphrase(tmp_path / "locked")
    (server.folder / "authorized_keys").write_text(public(key).read_text())

    without = refused(settings(server, identity=key))
    shutil.copy(key, tmp_path / "open")
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "secret", "-N", "", "-f", str(tmp_path / "open")], check=True)
    start_agent([new_key(tmp_path / "other"), tmp_path / "open"])

    assert f"there was no key to offer; {key} has a passphrase: run 'ssh-add {key}' first" in without
    assert gets_in(connect_ssh(settings(server, identity=key)))
    # The public half names the agent's key as well.
    assert gets_in(connect_ssh(settings(server, identity=public(key))))


def test_a_key_that_is_not_let_in_is_named_with_what_to_do(sshd: NativeSshd, ssh_home: Path, tmp_path: Path) -> None:
    other = new_key(tmp_path / "other")

    line = refused(settings(sshd, identity=other))

    print_of_key = finished(["ssh-keygen", "-lf", str(other)]).stdout.split()[1]
    assert line.startswith(
        f"{sshd.user}@{HOST}:{sshd.port}: user {sshd.user} is not let in (offered: {other} ({print_of_key}))"
    )
    assert f"ssh-copy-id -i {other} -o UserKnownHostsFile={sshd.known_hosts} -p {sshd.port} {sshd.user}@{HOST}" in line


def test_without_any_key_nothing_is_asked(sshd: NativeSshd, ssh_home: Path) -> None:
    assert "there was no key to offer" in refused(settings(sshd, identity=None))


def test_files_that_are_no_keys_are_told(sshd: NativeSshd, ssh_home: Path, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no key\n")

    assert f"not usable: {text} (" in refused(settings(sshd, identity=text))
    assert f"there is no key {tmp_path / 'none'}" in refused(settings(sshd, identity=tmp_path / "none"))


def test_another_user_is_not_let_in(sshd: NativeSshd, ssh_home: Path) -> None:
    assert "user nosuchuser is not let in" in refused(settings(sshd, user="nosuchuser"))


# host keys


def test_an_unknown_host_key_is_shown_with_the_command_that_accepts_it(
    sshd: NativeSshd, ssh_home: Path, tmp_path: Path
) -> None:
    known = tmp_path / "known"

    line = refused(settings(sshd, known_hosts=known))

    fingerprint = finished(["ssh-keygen", "-lf", str(public(sshd._host_key))]).stdout.split()[1]
    assert f"its host key is not known: ssh-ed25519 {fingerprint};" in line
    assert "ssh_host_ed25519_key.pub" in line
    command = shlex.split(line.partition("accept it once with: ")[2])
    options = ["-i", str(sshd.key), "-o", f"UserKnownHostsFile={known}", "-p", str(sshd.port)]
    assert command == ["ssh", *options, f"{sshd.user}@{HOST}", "true"]
    extra = ["-F", "/dev/null", "-o", "StrictHostKeyChecking=accept-new"]
    assert finished([command[0], *extra, *command[1:]]).returncode == 0
    with contextlib.closing(SshTransport(settings(sshd, known_hosts=known))) as transport:
        assert gets_in(transport)


def test_a_changed_host_key_is_a_warning_with_both_keys(
    start_sshd: StartSshd, ssh_home: Path, connect_ssh: Connect
) -> None:
    server = start_sshd()
    old = finished(["ssh-keygen", "-lf", str(public(server._host_key))]).stdout.split()[1]
    server.restart(new_host_key=True)
    new = finished(["ssh-keygen", "-lf", str(public(server._host_key))]).stdout.split()[1]

    line = refused(settings(server))

    assert f"ITS HOST KEY HAS CHANGED: known is ssh-ed25519 {old}, now it shows ssh-ed25519 {new};" in line
    remove = line.partition("only if you know that it was: ")[2].partition(" && ")[0]
    assert remove == f"ssh-keygen -R '[{HOST}]:{server.port}' -f {server.known_hosts}"
    assert finished(shlex.split(remove)).returncode == 0
    assert "its host key is not known" in refused(settings(server))


def test_a_host_key_of_another_kind_has_changed_too(sshd: NativeSshd, ssh_home: Path, tmp_path: Path) -> None:
    known = tmp_path / "known"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(tmp_path / "ec")], check=True)
    known.write_text(f"[{HOST}]:{sshd.port} {(tmp_path / 'ec.pub').read_text()}")

    line = refused(settings(sshd, known_hosts=known))

    assert "known is ecdsa-sha2-nistp256 SHA256:" in line
    assert "now it shows ssh-ed25519 SHA256:" in line


def test_a_revoked_host_key_is_not_trusted(sshd: NativeSshd, ssh_home: Path, tmp_path: Path) -> None:
    known = tmp_path / "known"
    line = sshd.known_hosts.read_text()
    known.write_text(f"{line}@revoked {line}")

    assert "cannot be trusted: Host key is revoked" in refused(settings(sshd, known_hosts=known))


def test_a_file_of_known_hosts_may_hold_rubbish_and_hashes(
    sshd: NativeSshd,
    ssh_home: Path,
    connect_ssh: Connect,
) -> None:
    known = ssh_home / ".ssh" / "known_hosts"
    shutil.copy(sshd.known_hosts, known)
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
    assert HOST not in known.read_text()
    known.write_text(f"# comment\n\nrubbish\n@strange x y\n{known.read_text()}")

    assert gets_in(connect_ssh(settings(sshd, known_hosts=None)))


@pytest.mark.parametrize(
    "keywords", [{"StrictHostKeyChecking": "no", "UserKnownHostsFile": "/dev/null"}, {"UserKnownHostsFile": "none"}]
)
def test_no_configuration_turns_verification_off(sshd: NativeSshd, ssh_home: Path, keywords: dict[str, object]) -> None:
    write_config(ssh_home / ".ssh" / "config", {"*": {"GlobalKnownHostsFile": "/dev/null", **keywords}})

    assert "its host key is not known" in refused(settings(sshd, known_hosts=None))


# the ssh configuration


def entry(server: NativeSshd, **more: object) -> dict[str, object]:
    """Return the keywords that lead to a server."""
    return {
        "HostName": HOST,
        "Port": server.port,
        "User": server.user,
        "IdentityFile": server.key,
        "UserKnownHostsFile": server.known_hosts,
        **more,
    }


def test_a_name_of_the_configuration_is_enough(sshd: NativeSshd, ssh_home: Path, connect_ssh: Connect) -> None:
    missing = {"IdentityFile": ssh_home / "missing"}
    write_config(
        ssh_home / ".ssh" / "config",
        {"board": entry(sshd), "*": {**missing, "Compression": "yes", "ControlMaster": "auto"}},
    )

    transport = connect_ssh(SshSettings("board"))

    assert gets_in(transport)
    assert transport.address == f"{sshd.user}@board:{sshd.port}"
    assert transport._connection.get_extra_info("send_compression") == "none"


def test_another_configuration_can_be_named(sshd: NativeSshd, ssh_home: Path, connect_ssh: Connect) -> None:
    write_config(ssh_home / ".ssh" / "config", {"board": {"HostName": "wrong.invalid"}})

    assert gets_in(connect_ssh(SshSettings("board", config_file=sshd.ssh_config)))


def test_the_host_key_may_be_known_by_an_alias(sshd: NativeSshd, ssh_home: Path, connect_ssh: Connect) -> None:
    known = ssh_home / "known"
    known.write_text(f"fleet {' '.join(sshd.known_hosts.read_text().split()[1:])}\n")
    config = {"board": entry(sshd, HostKeyAlias="fleet", UserKnownHostsFile=known)}
    write_config(ssh_home / ".ssh" / "config", config)

    assert gets_in(connect_ssh(SshSettings("board")))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Match nosuch x\n", "Invalid match condition"),
        ("Port many\n", "Invalid Port integer value: many"),
        ('Host "\n', "No closing quotation"),
        ("ProxyJump a b\n", "Extra data"),
        ("ProxyJump gate:x\n", "'x' is no port"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_named(ssh_home: Path, text: str, words: str) -> None:
    config = ssh_home / ".ssh" / "config"
    config.write_text(text)

    line = refused(SshSettings("board"))

    assert line.startswith(f"board: {config} cannot be used: ")
    assert words in line


def test_a_configuration_that_is_not_there_is_told(ssh_home: Path) -> None:
    assert "No such file" in refused(SshSettings("board", config_file=ssh_home / "none"))


# jump hosts and proxies


def test_jump_hosts_are_gone_through_in_turn(sshd: NativeSshd, ssh_home: Path, connect_ssh: Connect) -> None:
    # Names of one server: it lets in at each of them.
    config = write_config(ssh_home / "config", {name: entry(sshd) for name in ("outer", "inner", "board")})
    before = logins(sshd)

    transport = connect_ssh(SshSettings("board", jump=(SshAddress("outer"), SshAddress("inner")), config_file=config))

    assert gets_in(transport)
    assert logins(sshd) - before == 3


def test_the_configurations_jumps_count_also_those_of_a_jump(
    sshd: NativeSshd, ssh_home: Path, connect_ssh: Connect
) -> None:
    hosts = {"board": entry(sshd, ProxyJump="inner"), "inner": entry(sshd, ProxyJump="outer"), "outer": entry(sshd)}
    config = write_config(ssh_home / "config", hosts)
    before = logins(sshd)

    assert gets_in(connect_ssh(SshSettings("board", config_file=config)))
    assert logins(sshd) - before == 3


def test_a_jump_for_all_hosts_is_not_gone_through_itself(
    sshd: NativeSshd, ssh_home: Path, connect_ssh: Connect
) -> None:
    config = write_config(ssh_home / "config", {"*": entry(sshd, ProxyJump="gate")})
    before = logins(sshd)

    assert gets_in(connect_ssh(SshSettings("board", config_file=config)))
    assert logins(sshd) - before == 2


def test_a_jump_host_that_refuses_is_named(sshd: NativeSshd, ssh_home: Path, tmp_path: Path) -> None:
    gate = entry(sshd, IdentityFile=new_key(tmp_path / "other"))
    config = write_config(ssh_home / "config", {"gate": gate, "board": entry(sshd, ProxyJump="gate")})

    line = refused(SshSettings("board", config_file=config))

    user, port = sshd.user, sshd.port
    assert line.startswith(f"{user}@board:{port}: jump host {user}@gate:{port}: user {user} is not let in")


def test_a_jump_host_that_does_not_answer_is_named(sshd: NativeSshd, ssh_home: Path) -> None:
    gate = entry(sshd, Port=free_port())
    config = write_config(ssh_home / "config", {"gate": gate, "board": entry(sshd, ProxyJump="gate")})

    assert ": jump host root@gate" in lost(SshSettings("board", config_file=config)).replace(sshd.user, "root")


def test_what_lies_behind_a_jump_host_may_not_answer(sshd: NativeSshd, ssh_home: Path) -> None:
    closed = entry(sshd, Port=free_port(), ProxyJump="gate")
    config = write_config(ssh_home / "config", {"gate": entry(sshd), "board": closed})

    assert f"the jump host before it cannot reach {HOST}:{closed['Port']}" in lost(
        SshSettings("board", config_file=config)
    )


def test_a_jump_host_that_forwards_nothing_refuses(start_sshd: StartSshd, ssh_home: Path) -> None:
    server = start_sshd()
    key = (server.folder / "authorized_keys").read_text()
    (server.folder / "authorized_keys").write_text(f"restrict {key}")
    config = write_config(ssh_home / "config", {"gate": entry(server), "board": entry(server, ProxyJump="gate")})

    assert "the jump host before it forwards nothing to" in refused(SshSettings("board", config_file=config))


def test_a_proxy_command_is_the_way_and_may_chatter(sshd: NativeSshd, ssh_home: Path, connect_ssh: Connect) -> None:
    through = f'sh -c "echo chatter >&2; exec ssh -F {sshd.ssh_config} -W %h:%p {sshd.alias}"'
    config = write_config(ssh_home / "config", {"board": entry(sshd, ProxyCommand=through)})
    transport = connect_ssh(SshSettings("board", config_file=config))

    assert gets_in(transport)
    proxy = transport._login._proxies[0]._process
    assert proxy.poll() is None
    transport.close()
    assert proxy.poll() is not None


def test_a_proxy_command_that_fails_is_quoted(sshd: NativeSshd, ssh_home: Path) -> None:
    config = write_config(
        ssh_home / "config", {"board": entry(sshd, ProxyCommand="sh -c 'echo no tunnel >&2; exit 1'")}
    )

    line = lost(SshSettings("board", config_file=config))

    assert line.endswith("its ProxyCommand says: no tunnel")


# what listens there


@contextlib.contextmanager
def listener(answer: Callable[[socket.socket], object]) -> Iterator[SshSettings]:
    """Answer connections to a port with something that is no SSH server."""
    with socket.create_server((HOST, 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield SshSettings(HOST, "pi", server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def say(line: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(line)

    return answer


def test_a_server_of_something_else_is_quoted(ssh_home: Path) -> None:
    with listener(say(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as found:
        line = refused(found)

    assert line == (
        f"pi@{HOST}:{found.port}: {HOST}:{found.port} is no SSH server, it says 'HTTP/1.1 400 Bad Request'; "
        "is this the right port?"
    )


def test_an_old_protocol_is_refused(ssh_home: Path) -> None:
    with listener(say(b"SSH-1.5-old\r\n")) as found:
        assert "another version of SSH" in refused(found)


@pytest.mark.parametrize(
    ("line", "words"), [(b"", "it may be booting"), (b"Exceeded MaxStartups\r\n", "wants no more connections")]
)
def test_a_server_that_hangs_up_may_be_there_soon(ssh_home: Path, line: bytes, words: str) -> None:
    with listener(say(line)) as found:
        assert words in lost(found)


def test_a_server_that_says_nothing_is_not_waited_for_long(ssh_home: Path) -> None:
    with listener(lambda connection: connection.recv(1) and connection.recv(1000) and connection.recv(1)) as found:
        silent = SshSettings(HOST, "pi", found.port, connect_timeout_s=0.3)

        assert "no answer within 0.3 s" in lost(silent)


def test_nothing_listens_there_yet(ssh_home: Path) -> None:
    port = free_port()

    assert lost(SshSettings(HOST, "pi", port)).startswith(f"pi@{HOST}:{port}: nothing listens at {HOST}:{port} yet")


@pytest.mark.parametrize(
    ("raised", "kind", "words"),
    [
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            DeviceUnknown,
            "there is no machine called board",
        ),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), DeviceLost, "cannot be looked up at the moment"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), DeviceLost, "board:22 cannot be reached: No route to host"),
        (OSError(errno.ETIMEDOUT, "Connection timed out"), DeviceLost, "no answer within"),
        (OSError(errno.EPERM, "Operation not permitted"), DeviceRefused, "may not connect to board:22"),
    ],
)
def test_what_the_system_says_is_told_apart(
    ssh_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    raised: OSError,
    kind: type[DeviceError],
    words: str,
) -> None:
    def look_up(*_args: object, **_named: object) -> None:
        raise raised

    monkeypatch.setattr(socket, "getaddrinfo", look_up)

    with pytest.raises(kind, match=words) as error:
        SshTransport(SshSettings("board", "pi"))
    assert one_line(error.value)


@pytest.mark.parametrize(
    ("code", "reason", "kind", "words"),
    [
        (1, "open failed", DeviceRefused, "forwards nothing to board:22: open failed"),
        (2, "Name or service not known", DeviceUnknown, "knows no board: Name or service not known"),
        (2, "Connection refused", DeviceLost, "cannot reach board:22: Connection refused"),
    ],
)
def test_what_a_jump_host_says_is_told_apart(
    ssh_home: Path, code: int, reason: str, kind: type[DeviceError], words: str
) -> None:
    hop = resolve(SshAddress("board", "pi"), SshSettings("board", "pi"), None)

    error = explain(asyncssh.ChannelOpenError(code, reason), hop, Keys(), None, None)

    assert (type(error), words in one_line(error)) == (kind, True)


def test_without_the_library_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **named: Any) -> Any:
        if name.split(".")[0] == "asyncssh":
            raise ModuleNotFoundError("No module named 'asyncssh'", name="asyncssh")
        return real(name, *args, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    for name in [name for name in sys.modules if name.startswith("edgebench.devices.ssh_") or name == "asyncssh"]:
        monkeypatch.delitem(sys.modules, name)

    with pytest.raises(DeviceRefused, match=r"pip install 'edgebench\[ssh\]'"):
        SshTransport(SshSettings("board"))
