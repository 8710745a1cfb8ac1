//! Contract 3: the tables of the lake. Schemas with units in names, partition layout, commit and watermark rules. No IO.
