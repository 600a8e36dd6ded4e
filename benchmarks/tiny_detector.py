"""Writes a small detector with random weights: an RT-DETR on a small ResNet, for low resolutions.

For data sets that no pretrained detector is at hand for. Its pictures are squashed to one size.

    python benchmarks/tiny_detector.py -o runs/detector --height 128 --width 160
"""

from __future__ import annotations

import argparse
from pathlib import Path


def main() -> None:
    """Write config, weights and image processor to the folder."""
    import torch
    from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrResNetConfig
    from transformers.models.rt_detr.image_processing_pil_rt_detr import RTDetrImageProcessorPil

    asked = _asked()
    torch.manual_seed(0)
    base, wide = asked.channels, asked.width_of_decoder
    hidden = [base, 2 * base, 4 * base, 8 * base]
    backbone = RTDetrResNetConfig(
        embedding_size=base,
        hidden_sizes=hidden,
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = RTDetrConfig(
        backbone_config=backbone,
        freeze_backbone_batch_norms=False,  # they know nothing yet
        encoder_hidden_dim=wide,
        encoder_in_channels=hidden[1:],
        encoder_ffn_dim=4 * wide,
        encoder_attention_heads=4,
        encode_proj_layers=[2],
        hidden_expansion=0.5,
        d_model=wide,
        decoder_in_channels=[wide] * 3,
        decoder_ffn_dim=4 * wide,
        decoder_layers=asked.layers,
        decoder_attention_heads=4,
        num_queries=asked.queries,
        num_denoising=asked.queries,
        num_labels=1,
    )
    size = {"height": asked.height, "width": asked.width}
    RTDetrImageProcessorPil(size=size).save_pretrained(asked.out)
    model = RTDetrForObjectDetection(config)
    model.save_pretrained(asked.out)
    print(f"{sum(each.numel() for each in model.parameters()):,} weights in {asked.out}")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--height", type=int, default=128, help="of pictures, in pixels")
    parser.add_argument("--width", type=int, default=160, help="of pictures, in pixels")
    parser.add_argument("--channels", type=int, default=16, help="of the backbone's first stage")
    parser.add_argument("--width-of-decoder", type=int, default=64, help="numbers of a query")
    parser.add_argument("--layers", type=int, default=2, help="of the decoder")
    parser.add_argument("--queries", type=int, default=60, help="objects a picture may have")
    return parser.parse_args()


if __name__ == "__main__":
    main()
