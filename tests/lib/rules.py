"""Takes single rules out of a live table and puts them back."""

import re
from contextlib import contextmanager
from typing import NamedTuple


class Rule(NamedTuple):
    table: str  # "inet netd"
    chain: str
    text: str

    @property
    def words(self):
        """Without the comment in which netd marks it."""
        return re.sub(r' comment "[^"]*"$', "", self.text)

    def __str__(self):
        return f"{self.chain}: {self.words}"


def chain_rules(host, table, chain):
    """The rules of one chain, as nft writes them."""
    listing = host.run("nft", "-s", "list", "chain", *table.split(), chain).stdout
    body = re.search(r"\tchain \S+ \{\n(.*?)\t\}", listing, re.S).group(1)
    lines = [line.strip() for line in body.splitlines()]
    return [Rule(table, chain, line) for line in lines if line and not line.startswith("type ")]


def all_rules(host):
    """Every rule of netd's two tables, in order."""
    found = []
    for table in ("inet netd", "bridge netd"):
        listing = host.run("nft", "-s", "list", "table", *table.split()).stdout
        for chain in re.findall(r"^\tchain (\S+) \{", listing, re.M):
            found += chain_rules(host, table, chain)
    return found


def replace(host, table, chain, rules):
    text = f"flush chain {table} {chain}\n" + "".join(f"add rule {table} {chain} {rule.text}\n" for rule in rules)
    host.run("nft", "-f", "-", stdin=text)


@contextmanager
def without(host, table, chain, pattern):
    """For the time of a `with`, the chain has no rule that the pattern is found in. Yields the rules that were taken out."""
    before = chain_rules(host, table, chain)
    taken = [rule for rule in before if re.search(pattern, rule.words)]
    replace(host, table, chain, [rule for rule in before if rule not in taken])
    try:
        yield taken
    finally:
        replace(host, table, chain, before)
