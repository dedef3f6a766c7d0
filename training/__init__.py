"""From a folder of pictures to a style (LoRA): what the notebook's cells and `ops` call. Knows nothing of Pulumi or AWS."""
