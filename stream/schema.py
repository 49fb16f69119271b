"""Writes the wire's JSON Schema and the page's types from `stream/protocol.py`: `python -m stream.schema`."""

import json
import sys
from pathlib import Path
from typing import Any, get_args

import msgspec
from msgspec import inspect

from stream import protocol

CLIENT_FOLDER = Path(__file__).parents[1] / "web_client"
COMMAND = "python -m stream.schema"


def generated() -> dict[str, str]:
    """File name to content."""
    return {"protocol.schema.json": schema_text(), "protocol.d.ts": types_text()}


def schema_text() -> str:
    roots = (protocol.AnyClientMessage, protocol.AnyServerMessage)
    (client, server), parts = msgspec.json.schema_components(roots, ref_template="#/$defs/{name}")
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Mien's wire, {protocol.JSON_SUBPROTOCOL}",
        "$comment": f"Generated from stream/protocol.py by `{COMMAND}`.",
        "$defs": {"ClientMessage": client, "ServerMessage": server, **parts},
        "anyOf": [{"$ref": "#/$defs/ClientMessage"}, {"$ref": "#/$defs/ServerMessage"}],
    }
    return json.dumps(schema, indent=2) + "\n"


def types_text() -> str:
    """TypeScript declarations, which the page's JSDoc comments import."""
    lines = [f"// Generated from stream/protocol.py by `{COMMAND}`; do not edit."]
    pending: list[type] = [*get_args(protocol.AnyClientMessage), *get_args(protocol.AnyServerMessage)]
    done: set[type] = set()
    while pending:
        struct = pending.pop(0)
        if struct not in done:
            done.add(struct)
            lines += ["", *_interface(struct, pending)]
    for name, union in (("ClientMessage", protocol.AnyClientMessage), ("ServerMessage", protocol.AnyServerMessage)):
        lines += ["", f"export type {name} = {' | '.join(member.__name__ for member in get_args(union))};"]
    return "\n".join(lines) + "\n"


def _interface(struct: type, pending: list[type]) -> list[str]:
    described = inspect.type_info(struct)
    assert isinstance(described, inspect.StructType)
    lines = [f"/** {' '.join((struct.__doc__ or '').split())} */"] if struct.__doc__ else []
    lines.append(f"export interface {struct.__name__} {{")
    if described.tag_field is not None:
        lines.append(f"  {described.tag_field}: {json.dumps(described.tag)};")
    for field in described.fields:
        description = _description(field.type)
        if description:
            lines.append(f"  /** {description} */")
        optional = "" if field.required else "?"
        lines.append(f"  {field.encode_name}{optional}: {_type(field.type, pending)};")
    return [*lines, "}"]


def _description(kind: inspect.Type) -> str | None:
    return (kind.extra_json_schema or {}).get("description") if isinstance(kind, inspect.Metadata) else None


def _type(kind: inspect.Type, pending: list[type]) -> str:
    """The TypeScript spelling of a type; structs met on the way are put into `pending`."""
    simple: dict[type[inspect.Type], str] = {
        inspect.IntType: "number",
        inspect.FloatType: "number",
        inspect.StrType: "string",
        inspect.BoolType: "boolean",
        inspect.NoneType: "null",
    }
    match kind:
        case inspect.Metadata():
            return _type(kind.type, pending)
        case inspect.UnionType():
            return " | ".join(_type(member, pending) for member in kind.types)
        case inspect.LiteralType():
            return " | ".join(json.dumps(value) for value in kind.values)
        case inspect.ListType():
            item = _type(kind.item_type, pending)
            return f"({item})[]" if " | " in item else f"{item}[]"
        case inspect.TupleType():
            return f"[{', '.join(_type(item, pending) for item in kind.item_types)}]"
        case inspect.DictType():
            return f"Record<{_type(kind.key_type, pending)}, {_type(kind.value_type, pending)}>"
        case inspect.StructType():
            pending.append(kind.cls)
            return str(kind.cls.__name__)
    return simple[type(kind)]


def stale(folder: Path = CLIENT_FOLDER) -> list[str]:
    """Names of the files that are not as generated."""

    def content(name: str) -> str | None:
        path = folder / name
        return path.read_text(encoding="utf-8") if path.exists() else None

    return [name for name, text in generated().items() if content(name) != text]


def main(arguments: Any = None) -> int:
    for name, text in generated().items():
        (CLIENT_FOLDER / name).write_text(text, encoding="utf-8")
        print(f"wrote {CLIENT_FOLDER.name}/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
