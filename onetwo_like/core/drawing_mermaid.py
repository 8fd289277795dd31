"""How is a drawing written as Mermaid?"""

from __future__ import annotations

from onetwo_like.core.drawing import Box, Drawing, printable

# What opens and closes a box of each kind.
_SHAPES = {
    "step": ('["', '"]'),
    "input": ('[/"', '"/]'),
    "event": ('(["', '"])'),
    "constant": ('["', '"]'),
    "flow": ('[["', '"]]'),
    "start": ('(["', '"])'),
    "stop": ('(["', '"])'),
}
_CLASSES = """\
    classDef step fill:#eaf1fd,stroke:#3f74c9,color:#15243d
    classDef input fill:#f4f4f6,stroke:#8a8f9c,color:#2b2e36,stroke-dasharray:4 3
    classDef event fill:#fdf3df,stroke:#c08a1e,color:#3d2c08
    classDef constant fill:#f4f4f6,stroke:#8a8f9c,color:#2b2e36
    classDef flow fill:#f8f9fc,stroke:#9aa6c0,color:#2b3550
    classDef start fill:#e3f5e8,stroke:#3a9656,color:#0f3319
    classDef stop fill:#f1e9fb,stroke:#8157bd,color:#2c1850
    classDef failed fill:#fde8e8,stroke:#c93f3f,color:#4a1010
"""
# Mermaid has entities of its own, `#name;`; the first four would end a label, a tag or an entity, and a
# backtick at the start would make the label Markdown.
_ESCAPES = str.maketrans(
    {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;", "\n": " ", "\t": " "}
)


def mermaid(drawing: Drawing) -> str:
    """The text of a flowchart, with a subgraph for each frame; ends with a newline."""
    return "\n".join(["flowchart TD", *_lines(drawing, "n", "    "), _CLASSES])


def _lines(drawing: Drawing, prefix: str, indent: str) -> list[str]:
    lines = []
    names = {box.id: f"{prefix}{i}" for i, box in enumerate(drawing.boxes)}
    for box in drawing.boxes:
        name = names[box.id]
        if box.inside is not None and box.inside.boxes:
            lines.append(f'{indent}subgraph {name}["{_label(box)}"]')
            lines += _lines(box.inside, f"{name}_", indent + "    ")
            lines.append(f"{indent}end")
        else:
            opening, closing = _SHAPES[box.kind]
            look = "failed" if box.mark == "failed" else box.kind
            lines.append(f"{indent}{name}{opening}{_label(box)}{closing}:::{look}")
    for arrow in drawing.arrows:
        label = f'|"{_escaped(arrow.label)}"|' if arrow.label else ""
        lines.append(f"{indent}{names[arrow.source]} -->{label} {names[arrow.target]}")
    return lines


def _label(box: Box) -> str:
    return _escaped(box.label) + (f"<br/>{_escaped(box.detail)}" if box.detail else "")


def _escaped(text: str) -> str:
    return printable(text).translate(_ESCAPES)
