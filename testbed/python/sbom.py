"""Writes what the operator's binary is made from, as CycloneDX: the packages that are compiled
into it for this machine's target.

The packages are those of `cargo tree`, which knows the features that a build takes. Tools that read
`cargo metadata`, as cargo-cyclonedx does, have those of the whole workspace, and would name ring,
which the testbed's features bring in.
Usage: sbom.py FILE
"""

import datetime
import json
import os
import pathlib
import subprocess
import sys
import tomllib

PACKAGE = "lightsail-operator"


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def purl(name, version):
    return f"pkg:cargo/{name}@{version}"


with open("Cargo.lock", "rb") as file:
    locked = {
        (package["name"], package["version"]): package for package in tomllib.load(file)["package"]
    }

# A line is `DEPTH` `NAME` v`VERSION` …`|LICENSE|REPOSITORY`. What a package depends on stands below
# it where it stands first.
tree = output(
    "cargo",
    "tree",
    "--locked",
    "--package",
    PACKAGE,
    "--edges",
    "normal",
    "--prefix",
    "depth",
    "--format",
    " {p}|{l}|{r}",
)
components, edges, path = {}, {}, []
for line in tree.splitlines():
    depth, rest = line.split(" ", 1)
    package, license, repository = rest.removesuffix(" (*)").split("|")
    name, version = package.split()[:2]
    version = version.removeprefix("v")
    reference = purl(name, version)
    component = {
        "type": "library",
        "bom-ref": reference,
        "name": name,
        "version": version,
        "purl": reference,
        # Some packages have the slash of old, which is no SPDX.
        "licenses": [{"expression": license.replace("/", " OR ")}],
    }
    if checksum := locked[name, version].get("checksum"):
        component["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if repository:
        component["externalReferences"] = [{"type": "vcs", "url": repository}]
    components[reference] = component
    edges.setdefault(reference, set())
    path[int(depth) :] = [reference]
    if len(path) > 1:
        edges[path[-2]].add(reference)

# The operator is what the document is about, not one of its parts.
own = components.pop(path[0]) | {"type": "application"}
epoch = os.environ.get("SOURCE_DATE_EPOCH") or output("git", "log", "-1", "--format=%ct")
time = datetime.datetime.fromtimestamp(int(epoch), datetime.UTC)
document = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "version": 1,
    "metadata": {
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycles": [{"phase": "build"}],
        "component": own,
    },
    "components": [components[reference] for reference in sorted(components)],
    "dependencies": [
        {"ref": reference, "dependsOn": sorted(edges[reference])} for reference in sorted(edges)
    ],
}
file = pathlib.Path(sys.argv[1])
file.parent.mkdir(parents=True, exist_ok=True)
file.write_text(json.dumps(document, indent=1) + "\n")
print(f"sbom: {len(components)} packages in {file}")
