"""Colours of pictures, asked for and told, and a small LLaVA."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fixtures import tiny_decoder
from tests.tasks.samples import ROWS, Sample
from tests.tasks.tiny_vision import COLOURS, SIDE, png

NAMES = ("red", "green", "blue")
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}:{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def model(folder: Path) -> Path:
    """Write an untrained LLaVA of two layers beside a CLIP of two, with its processor."""
    from transformers import (
        AutoTokenizer,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = AutoTokenizer.from_pretrained(tiny_decoder.make(folder / "decoder"))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    seeing = CLIPVisionConfig(
        image_size=SIDE,
        patch_size=16,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        projection_dim=32,
    )
    speaking = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=64,
        max_position_embeddings=256,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    config = LlavaConfig(
        vision_config=seeing,
        text_config=speaking,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
        ),
        tokenizer=tokenizer,
        patch_size=16,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    ).save_pretrained(folder)
    return folder


SAMPLE = Sample(
    {
        "image": [png(number, COLOURS[number % 3]) for number in range(ROWS)],
        "prompt": [json.dumps("colour?")] * ROWS,
        "completion": [json.dumps(NAMES[number % 3]) for number in range(ROWS)],
    },
    (),
    model,
    asked={
        "image": [png(number, COLOURS[number]) for number in range(2)],
        "prompt": [json.dumps("colour?")] * 2,
    },
)
