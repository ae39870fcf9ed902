"""The house: which layer may know which, who may change the kernel, and what no program of netd links."""

import re
import subprocess

import pytest

from lib.host import NETD, NETD_CTL, ROOT

# api -> engine -> {store, render, plan, kernel} -> model -> lib. `main` is what stands in daemon/ itself.
MAY_INCLUDE = {
    "lib": {"lib"},
    "daemon/model": {"lib", "daemon/model"},
    "daemon/plan": {"lib", "daemon/plan"},
    "daemon/store": {"lib", "daemon/model", "daemon/store"},
    "daemon/render": {"lib", "daemon/model", "daemon/plan", "daemon/render"},
    "daemon/kernel": {"lib", "daemon/plan", "daemon/kernel"},
    "daemon/engine": {"lib", "daemon/model", "daemon/plan", "daemon/store", "daemon/render", "daemon/kernel", "daemon/engine"},
    "daemon/api": {"lib", "daemon/model", "daemon/engine", "daemon/kernel", "daemon/api"},
    "daemon": {"lib", "daemon/api", "daemon/engine", "daemon/kernel", "daemon/model", "daemon"},
    "cli": {"lib", "cli"},
}
# The changing functions of kernel/, and the one layer that calls them.
CHANGING = ("kernel_apply", "kernel_apply_all", "flows_walk_start")


def sources(*suffixes):
    for top in ("lib", "daemon", "cli"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in suffixes:
                yield path


def layer(path):
    """A folder within a layer is a part of it."""
    return "/".join(path.parent.relative_to(ROOT).parts[:2])


def code(path):
    """Without comments and strings."""
    text = path.read_text()
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)
    return re.sub(r'"(\\.|[^"\\\n])*"', '""', text)


def test_includes_are_path_qualified_and_point_down():
    wrong = []
    for path in sources(".c", ".h"):
        for included in re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.M):
            if not (ROOT / included).exists():
                wrong.append(f"{path.relative_to(ROOT)} includes {included}, which is no path from the root")
            elif layer(ROOT / included) not in MAY_INCLUDE[layer(path)]:
                wrong.append(f"{path.relative_to(ROOT)} includes {included}")
    assert not wrong, "\n".join(wrong)


def test_model_plan_and_render_do_no_input_or_output():
    forbidden = re.compile(r"<(sys/socket|sys/ioctl|fcntl|unistd|linux/(?!netfilter)[^>]*|netlink/[^>]*|libmnl/[^>]*|event2/[^>]*|sqlite3)\.h>")
    wrong = [f"{path.relative_to(ROOT)}: {line}" for path in sources(".c") if layer(path) in ("daemon/model", "daemon/plan", "daemon/render")
             for line in path.read_text().splitlines() if line.startswith("#include") and forbidden.search(line)]
    assert not wrong, "\n".join(wrong)


def callers(*functions):
    """Files that call one of these functions, definitions and declarations aside."""
    call = re.compile(rf"^[ \t]+.*\b({'|'.join(functions)})\s*\(", re.M)
    return {str(path.relative_to(ROOT)) for path in sources(".c") if call.search(code(path))}


def test_only_the_engine_changes_the_kernel():
    outside = {path for path in callers(*CHANGING) if not path.startswith(("daemon/engine/", "daemon/kernel/"))}
    assert not outside
    assert any(path.startswith("daemon/engine/") for path in callers(*CHANGING)), "the names above are still those of the code"


def test_no_changing_row_of_a_kind_is_called_outside_of_kernel():
    pattern = re.compile(r"\bkind_(skeleton|element|netns|link|end|sysctl|address|route|file|hold|flows)\b|\bnft_(queue|commit)\b|\brtnl_queue\b")
    assert not [str(path) for path in sources(".c", ".h") if not layer(path).startswith("daemon/kernel") and pattern.search(code(path))]


def test_only_one_file_enters_namespaces():
    assert callers("setns") <= {"daemon/kernel/inside.c", "cli/exec.c"}


@pytest.mark.parametrize("program", (NETD, NETD_CTL), ids=("netd", "netd-ctl"))
def test_no_shell_is_linked(program):
    symbols = subprocess.run(["nm", "-D", "--undefined-only", program], capture_output=True, text=True, check=True).stdout
    linked = {line.split()[-1].split("@")[0] for line in symbols.splitlines()}
    assert not linked & {"system", "popen", "wordexp", "posix_spawn", "posix_spawnp"}


def test_only_exec_and_the_sandbox_execute_programs():
    assert callers("execl", "execlp", "execle", "execv", "execvp", "execvpe", "execve", "execveat", "fexecve") \
        <= {"cli/exec.c", "cli/exec_run.c", "daemon/sandbox.c", "daemon/sandbox_host.c"}


def test_files_and_functions_stay_small():
    assert not [f"{path.relative_to(ROOT)}: {lines} lines" for path in sources(".c", ".h")
                if (lines := len(path.read_text().splitlines())) > 500]


def test_every_source_file_says_what_it_owns():
    wrong = [str(path.relative_to(ROOT)) for path in sources(".c", ".h") if not path.read_text().startswith("/*")]
    assert not wrong


def test_no_path_of_a_developers_machine():
    found = [str(path.relative_to(ROOT)) for path in list(sources(".c", ".h", ".build")) + sorted(ROOT.glob("*.md")) if "/home/" in path.read_text()]
    assert not found


def test_the_manual_names_options_that_there_are():
    known = set(re.findall(r'\{"(--[\w-]+)"', (ROOT / "cli/grammar.c").read_text()))
    for line in (ROOT / "doc/docker.md").read_text().splitlines():
        cells = line.split("|")
        named = set(re.findall(r"--[\w-]+", "".join(cells[2:]))) - {"---"}
        assert not {name for name in named if name.strip("-")} - known, line
