"""Links in the OpenAPI document: which calls go on from what another has answered, and with which of its values."""

from typing import Any

_OF_USER = {"external_user_id": "$request.path.external_user_id"}
_OF_TRANSACTION = {**_OF_USER, "transaction_id": "$response.body#/transaction_id"}
_OF_HOLD = {**_OF_USER, "hold_id": "$response.body#/hold_id"}
_TO_TRANSACTION = ("get_transaction", {"transaction_id": "$response.body#/transaction_id"})

_LINKS: dict[str, tuple[tuple[str, dict[str, str]], ...]] = {
    "open_account": (("get_account", _OF_USER), ("top_up", _OF_USER), ("bonus", _OF_USER)),
    "top_up": (("reverse", _OF_TRANSACTION), _TO_TRANSACTION),
    "bonus": (("reverse", _OF_TRANSACTION), _TO_TRANSACTION),
    "spend": (("refund", _OF_TRANSACTION), _TO_TRANSACTION),
    "place_hold": (
        ("get_hold", _OF_HOLD),
        ("extend_hold", _OF_HOLD),
        ("capture_hold", _OF_HOLD),
        ("release_hold", _OF_HOLD),
    ),
    "capture_hold": (("refund", _OF_TRANSACTION), ("get_hold", _OF_HOLD), _TO_TRANSACTION),
    "execute_group": (("list_transactions", {**_OF_USER, "group_id": "$response.body#/group_id"}),),
    "create_asset_type": (("change_asset_type", {"asset_type_id": "$response.body#/asset_type_id"}),),
    "create_key": (("revoke_key", {"key_id": "$response.body#/key_id"}),),
}


def add_links(document: dict[str, Any]) -> None:
    """Add the links to what each call answers when it has made something."""
    for operations in document["paths"].values():
        for operation in operations.values():
            links = _LINKS.get(operation["operationId"])
            if links is not None:
                made = next(
                    answer for status, answer in sorted(operation["responses"].items(), reverse=True) if status < "300"
                )
                made["links"] = {
                    target: {"operationId": target, "parameters": parameters} for target, parameters in links
                }
