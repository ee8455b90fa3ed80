"""A trained policy as one file that other programs run: ONNX, or a program of ``torch.export``."""

from lit_a3c.export.write import Exported, export_policy

__all__ = ["Exported", "export_policy"]
