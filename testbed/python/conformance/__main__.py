"""Talks to the Lightsail simulator with boto3, which nobody here wrote, and checks what it
understands.

Endpoint and credentials come from the AWS_* variables that `testbed simulator` prints. Everything
runs with the header `x-amzn-errortype` and without. The last line says how many checks have held.
"""

import concurrent.futures
import shutil
import sys
import time
import traceback

import coverage
import keys
import part_chains
import part_default_pair
import part_examples
import part_faults
import part_fingerprints
import part_host_keys
import part_iam
import part_key_pairs
import part_operations
import part_regions
import part_signatures
import part_sts
import part_tags
import part_trust
import part_validator
from checks import counts
from world import World

MODULES = (
    part_validator,
    part_signatures,
    part_key_pairs,
    part_default_pair,
    part_tags,
    part_host_keys,
    part_operations,
    part_regions,
    part_examples,
    part_iam,
    part_sts,
    part_trust,
    part_chains,
    part_faults,
)


def run(part: object, error_type_header: bool) -> str:
    """What went wrong in one part, or nothing."""
    try:
        part(World(error_type_header))
    except Exception:
        form = "with" if error_type_header else "without"
        return f"{part.__module__}.{part.__name__}, {form} the header:\n{traceback.format_exc()}"
    return ""


def main() -> int:
    start = time.monotonic()
    forms = (False, True)
    parts = [(part, form) for module in MODULES for part in module.PARTS for form in forms]
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        failures = list(pool.map(lambda job: run(*job), parts))
    # These move a clock that all parts share; moto takes boto3 over as a whole.
    alone = [part for module in MODULES for part in getattr(module, "CLOCK_PARTS", ())]
    alone += part_fingerprints.PARTS
    failures += [run(part, form) for part in alone for form in forms]
    failures.append(run(coverage.everything, False))
    failures = [failure for failure in failures if failure]
    for failure in failures:
        print(failure, file=sys.stderr)
    seconds = time.monotonic() - start
    checks = counts["statements"] + counts["answers"]
    print(
        f"boto3: {checks} checks held ({counts['statements']} statements; {counts['answers']}"
        f" answers with {counts['members']} values against the API model)"
        f" in {len(parts) + 2 * len(alone)} parts, {seconds:.0f} s"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        shutil.rmtree(keys.DIRECTORY, ignore_errors=True)
