"The authors' TensorFlow network, measured as `bench/worker.py` measures ours: called by `bench/cpu.py`."
import contextlib
import io
import os
import sys
import tempfile
import types

import numpy as np
import tensorflow as tf
from worker import take_turns


def network(folder, where):
    "Their full model at their own settings; a module that TensorFlow 2.15 lacks is replaced by an empty one"
    gone = 'multi_worker_training_state'
    from tensorflow.python.keras import distribute
    setattr(distribute, gone, types.ModuleType(gone))
    sys.modules[f'{distribute.__name__}.{gone}'] = getattr(distribute, gone)
    sys.path.insert(0, folder)
    from cytoself.models.full import CytoselfFullModel
    with contextlib.redirect_stdout(io.StringIO()):
        return CytoselfFullModel(input_image_shape=[100, 100, 2], num_fc_output_classes=1311, output_dir=where)


def step_of(work, made, x, y):
    "One training step with their losses and Adam but no metrics, or the vectors of both quantizers"
    if work == 'embedding':
        made.construct_vq_model('vec')
        return lambda: made.model_vq.predict_on_batch(x)
    from cytoself.components.layers.norm_mse import normalized_mse
    loss = [normalized_mse(var=float(x.var()))] + ['categorical_crossentropy'] * 2
    made.model.compile(loss=loss, optimizer=tf.compat.v1.keras.optimizers.Adam(4e-4))
    return lambda: made.model.train_on_batch(x, [x, y, y])


def main():
    "Build the network, then take turns"
    folder, work, configuration, seconds, precision = sys.argv[1:]
    if configuration != 'paper': raise SystemExit("the authors' code is measured at the paper's configuration only")
    tf.config.threading.set_intra_op_parallelism_threads(int(os.environ['OMP_NUM_THREADS']))
    rng, batch = np.random.default_rng(0), 32
    x = rng.random((batch, 100, 100, 2), dtype=np.float32)
    y = np.eye(1311, dtype=np.float32)[rng.integers(1311, size=batch)]
    with tempfile.TemporaryDirectory() as where: step = step_of(work, network(folder, where), x, y)
    take_turns(step, batch, float(seconds), precision)


if __name__ == '__main__': main()
