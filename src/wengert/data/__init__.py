"""Data: sets of it, batches, transforms, and files.

train, test = wg.data.random_split(wg.data.digits(), [2, 1], seed=0)
for images, labels in wg.data.DataLoader(train, batch_size=32, shuffle=True, seed=0):
    ...
"""

from .cache import cache_folder as cache_folder, fetch as fetch
from .dataset import (
    ArrayDataset as ArrayDataset,
    Dataset as Dataset,
    Subset as Subset,
    collate as collate,
    random_split as random_split,
)
from .generated import (
    blobs as blobs,
    circles as circles,
    moons as moons,
    sequences as sequences,
    sine as sine,
    spiral as spiral,
    xor as xor,
)
from .loader import DataLoader as DataLoader
from .readers import ImageFolder as ImageFolder, read_csv as read_csv, read_idx as read_idx, read_image as read_image
from .sets import (
    Text as Text,
    cifar10 as cifar10,
    digits as digits,
    fashion_mnist as fashion_mnist,
    mnist as mnist,
    mnist_subset as mnist_subset,
    python_topics as python_topics,
)
from .tensors import (
    load_npz as load_npz,
    load_safetensors as load_safetensors,
    load_tensors as load_tensors,
    read_npz as read_npz,
    save_npz as save_npz,
    save_safetensors as save_safetensors,
    save_tensors as save_tensors,
    written as written,
)
from .transforms import (
    AsFloat as AsFloat,
    At as At,
    CenterCrop as CenterCrop,
    Compose as Compose,
    Flatten as Flatten,
    Normalize as Normalize,
    RandomCrop as RandomCrop,
    RandomFlip as RandomFlip,
    RandomTransform as RandomTransform,
)
