//! Floats as integers of the same order.

pub(super) fn ordered_f64(value: f64) -> u64 {
    let bits = if value.is_nan() {
        f64::NAN.to_bits() & !(1 << 63)
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    };
    if bits >> 63 == 1 {
        !bits
    } else {
        bits ^ (1 << 63)
    }
}

pub(super) fn plain_f64(bits: u64) -> f64 {
    f64::from_bits(if bits >> 63 == 1 {
        bits ^ (1 << 63)
    } else {
        !bits
    })
}

pub(super) fn ordered_f32(value: f32) -> u32 {
    let bits = if value.is_nan() {
        f32::NAN.to_bits() & !(1 << 31)
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    };
    if bits >> 31 == 1 {
        !bits
    } else {
        bits ^ (1 << 31)
    }
}

pub(super) fn plain_f32(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 {
        bits ^ (1 << 31)
    } else {
        !bits
    })
}
