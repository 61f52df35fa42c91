"""What models may be used for, in the words that several providers share."""

RAIL_M, RAIL_PP_M = "CreativeML Open RAIL-M", "CreativeML Open RAIL++-M"
STABILITY_COMMUNITY = "Stability AI Community License"
TERMS = "Hosted: the vendor's terms apply to what is made."
TERMS_AND_LICENCE = "Hosted: the vendor's terms and the model's licence apply to what is made."
