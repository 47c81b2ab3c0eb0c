"""The built-in operations as Function classes: `Sin()(x)` is `sin(x)`, made by that instance."""

from .rules import elementwise as e
from .rules import linalg, reductions, selection, shaping

Abs = e.absolute.node
Add = e.add.node
Arccos = e.arccos.node
Arccosh = e.arccosh.node
Arcsin = e.arcsin.node
Arcsinh = e.arcsinh.node
Arctan = e.arctan.node
Arctan2 = e.arctan2.node
Arctanh = e.arctanh.node
BroadcastTo = shaping.broadcast_to.node
Cbrt = e.cbrt.node
Conjugate = e.conjugate.node
Cos = e.cos.node
Cosh = e.cosh.node
Divide = e.divide.node
Dot = linalg.dot.node
Exp = e.exp.node
Exp2 = e.exp2.node
Expm1 = e.expm1.node
Hypot = e.hypot.node
Log = e.log.node
Log10 = e.log10.node
Log1p = e.log1p.node
Log2 = e.log2.node
Logaddexp = e.logaddexp.node
Matmul = linalg.matmul.node
Max = reductions.max.node
Maximum = selection.maximum.node
Mean = reductions.mean.node
Min = reductions.min.node
Minimum = selection.minimum.node
Multiply = e.multiply.node
Negative = e.negative.node
Power = e.power.node
Prod = reductions.prod.node
Reciprocal = e.reciprocal.node
Relu = e.relu.node
Reshape = shaping.reshape.node
Sigmoid = e.sigmoid.node
Sign = e.sign.node
Sin = e.sin.node
Sinh = e.sinh.node
Sqrt = e.sqrt.node
Square = e.square.node
Squeeze = shaping.squeeze.node
Std = reductions.std.node
Subtract = e.subtract.node
Sum = reductions.sum.node
Swapaxes = shaping.swapaxes.node
Tan = e.tan.node
Tanh = e.tanh.node
Transpose = shaping.transpose.node
Var = reductions.var.node
