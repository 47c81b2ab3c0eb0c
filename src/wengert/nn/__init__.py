"""Networks: modules and their parameters, layers, activation functions, losses and initial values.

    net = wg.nn.Sequential(wg.nn.Linear(64, 32, rng=rng), wg.nn.relu, wg.nn.Linear(32, 10, rng=rng))
    loss = wg.nn.cross_entropy(net(images), labels)
    loss.backward()

Parameters carry PyTorch's names and shapes, so that weights go from one to the other as they are. They are float32
unless `dtype=` says otherwise (`net.astype(float)` converts). Every random choice comes from `rng`: a
`numpy.random.Generator`, a seed, or None for numbers that nobody can repeat.
"""

from . import init as init
from .activations import (
    celu as celu,
    elu as elu,
    gelu as gelu,
    glu as glu,
    hard_sigmoid as hard_sigmoid,
    hard_silu as hard_silu,
    hardtanh as hardtanh,
    leaky_relu as leaky_relu,
    log_sigmoid as log_sigmoid,
    log_softmax as log_softmax,
    mish as mish,
    normalize as normalize,
    prelu as prelu,
    relu as relu,
    relu6 as relu6,
    selu as selu,
    sigmoid as sigmoid,
    silu as silu,
    softmax as softmax,
    softplus as softplus,
    softsign as softsign,
    tanh as tanh,
)
from .affine import (
    Bilinear as Bilinear,
    Embedding as Embedding,
    Linear as Linear,
    bilinear as bilinear,
    embedding as embedding,
    linear as linear,
)
from .attend import (
    KeyValueCache as KeyValueCache,
    MultiHeadAttention as MultiHeadAttention,
    attention as attention,
    causal_mask as causal_mask,
    rotary_positions as rotary_positions,
    sinusoidal_positions as sinusoidal_positions,
)
from .convolution_layers import (
    Conv1d as Conv1d,
    Conv2d as Conv2d,
    Conv3d as Conv3d,
    ConvTranspose1d as ConvTranspose1d,
    ConvTranspose2d as ConvTranspose2d,
    ConvTranspose3d as ConvTranspose3d,
)
from .convolve import (
    convolution as convolution,
    convolution_transposed as convolution_transposed,
)
from .ctc import ctc_loss as ctc_loss
from .layers import (
    Activation as Activation,
    Dropout as Dropout,
    Flatten as Flatten,
    Identity as Identity,
    PReLU as PReLU,
    Residual as Residual,
    Sequential as Sequential,
    dropout as dropout,
)
from .losses import (
    binary_cross_entropy as binary_cross_entropy,
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
    contrastive_loss as contrastive_loss,
    cosine_similarity as cosine_similarity,
    cross_entropy as cross_entropy,
    gaussian_nll_loss as gaussian_nll_loss,
    hinge_loss as hinge_loss,
    huber_loss as huber_loss,
    info_nce_loss as info_nce_loss,
    kl_divergence as kl_divergence,
    l1_loss as l1_loss,
    log_cosh_loss as log_cosh_loss,
    mse_loss as mse_loss,
    nll_loss as nll_loss,
    smooth_l1_loss as smooth_l1_loss,
    triplet_loss as triplet_loss,
)
from .module import (
    Mismatch as Mismatch,
    Module as Module,
    Parameter as Parameter,
    functional_call as functional_call,
)
from .normalisation import (
    BatchNorm as BatchNorm,
    GroupNorm as GroupNorm,
    InstanceNorm as InstanceNorm,
    LayerNorm as LayerNorm,
    RMSNorm as RMSNorm,
    group_norm as group_norm,
    layer_norm as layer_norm,
    rms_norm as rms_norm,
    standardise as standardise,
)
from .pooling import (
    AdaptiveAvgPool as AdaptiveAvgPool,
    AdaptiveMaxPool as AdaptiveMaxPool,
    AvgPool as AvgPool,
    MaxPool as MaxPool,
    adaptive_avg_pool as adaptive_avg_pool,
    adaptive_max_pool as adaptive_max_pool,
    avg_pool as avg_pool,
    max_pool as max_pool,
)
from .recurrent import (
    GRU as GRU,
    LSTM as LSTM,
    RNN as RNN,
)
from .transformer import (
    TransformerDecoder as TransformerDecoder,
    TransformerDecoderBlock as TransformerDecoderBlock,
    TransformerEncoder as TransformerEncoder,
    TransformerEncoderBlock as TransformerEncoderBlock,
)
