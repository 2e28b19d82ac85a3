"""tools/gpu_check.py itself, on the fake device with tiny sizes; on a real one under -m gpu."""

import importlib.util
import json
from pathlib import Path

import pytest
from fake_device import FakeDevice

TOOL = Path(__file__).parents[2] / "tools" / "gpu_check.py"
spec = importlib.util.spec_from_file_location("gpu_check", TOOL)
gpu_check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(gpu_check)


def sound(results):
    assert [r["step"] for r in results] == [step.__name__ for step in gpu_check.STEPS]
    for result in results:
        assert "trace" not in result, result["trace"]
        assert result.get("ok", True), result
        json.dumps(result)


@pytest.mark.slow
def test_every_step_runs_and_finds_the_simulated_device_correct():
    sound(list(gpu_check.check(FakeDevice(), small=True)))


def test_a_failing_step_is_reported_and_the_next_one_runs():
    class Broken(FakeDevice):
        def load(self, stage):
            raise RuntimeError("no code today")

    results = list(gpu_check.check(Broken(), small=True))
    assert len(results) == len(gpu_check.STEPS)
    assert "no code today" in results[1]["error"]
    assert results[1]["ok"] is False


@pytest.mark.cuda_compile
def test_cubins_are_written_and_found(tmp_path, monkeypatch):
    pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
    monkeypatch.setattr(gpu_check, "KERNELS", [gpu_check.AFFINE, gpu_check.SOFTMAX])
    assert gpu_check.main(["--compile", str(tmp_path), "--cc", "8.0"]) == 0
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    stage = gpu_check.emit(gpu_check.AFFINE).stages[0]
    found = gpu_check.carried(tmp_path)(stage, (8, 0))
    assert found in files.values()
    assert len(files) == 1 + len(gpu_check.emit(gpu_check.SOFTMAX).stages)


@pytest.mark.gpu
def test_a_real_gpu_passes_the_check():
    from flowgraph import errors
    from flowgraph.runtime.cuda import CudaDevice

    try:
        device = CudaDevice()
    except (errors.UnimplementedError, errors.UnavailableError) as error:
        pytest.skip(str(error))
    sound(list(gpu_check.check(device, small=True)))
