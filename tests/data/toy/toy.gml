graph [
  directed 0
  node [
    id 0
    label "ams"
    Latitude 52.25
    Longitude 4.5
  ]
  node [
    id 1
    label "par"
    Latitude 48.75
    Longitude 2.5
  ]
  node [
    id 2
    label "lon"
    Latitude 51.5
    Longitude -0.25
  ]
  edge [
    source 0
    target 1
    LinkSpeedRaw 10000000000
    weight 10
    delay 3
  ]
  edge [
    source 0
    target 2
    LinkSpeedRaw 40000000000
    weight 5
    delay 2
  ]
]
