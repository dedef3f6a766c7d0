"""moto's DynamoDB at the price of the items that a call touches.

moto keeps a deep copy of the whole table for each transaction, to bring it back when a condition fails: with some hundred
generations a write takes longer than making a picture. Here the copy shares its items with the table, and an item is
copied before it is changed, so that a copy once taken stays as it was.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from typing import Any, cast

from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table


def install() -> None:
    """Change moto in this process; once is enough, and more does no harm."""
    models: Any = DynamoDBBackend
    if getattr(models.update_item, "is_light", False):
        return
    changes_in_place = models.update_item

    def update_item(self: Any, table_name: str, key: dict[str, Any], *args: Any, **more: Any) -> Any:
        _own_copy(self.get_table(table_name), key)
        return changes_in_place(self, table_name, key, *args, **more)

    update_item.is_light = True  # pyright: ignore[reportFunctionMemberAccess]  # how a second call knows
    models.update_item = update_item
    tables: Any = Table
    tables.__deepcopy__ = _share


def _share(table: Any, _memo: dict[int, Any]) -> Any:
    """The table as it is now, with the same items in containers of its own."""
    shared = copy.copy(table)
    shared.items = defaultdict(dict)
    for key, held in table.items.items():
        shared.items[key] = dict(cast("dict[Any, Any]", held)) if isinstance(held, dict) else held
    return shared


def _own_copy(table: Any, key: dict[str, Any]) -> None:
    """Put a copy of the item in its own place, if there is one."""
    hash_value = DynamoType(key[table.hash_key_attr])
    if hash_value not in table.items:
        return
    if table.range_key_attr:
        ranges, hash_value = table.items[hash_value], DynamoType(key[table.range_key_attr])
        if hash_value in ranges:
            ranges[hash_value] = copy.deepcopy(ranges[hash_value])
    else:
        table.items[hash_value] = copy.deepcopy(table.items[hash_value])
